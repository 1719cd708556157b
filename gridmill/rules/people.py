"""Place and people: a time zone that exists, logins and accounts that nobody else has."""

from __future__ import annotations

import difflib
import functools
import zoneinfo

from gridmill.errors import Problem
from gridmill.model import Site

ACCEPTANCE_ACCOUNT = "gridmill"
"""Slurm account that pays for acceptance jobs."""

ACCEPTANCE_USER = "gridmill-accept"
"""System user, the same everywhere, that acceptance jobs run as."""

_SYSTEM_LOGINS = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody
messagebus sshd systemd-network systemd-timesync dnsmasq mysql slurm munge
"""
RESERVED_LOGINS = frozenset({*_SYSTEM_LOGINS.split(), ACCEPTANCE_USER})
"""Logins of Debian's own services and of ours (base-passwd's list, and the packages that roles install)."""

RESERVED_ACCOUNTS = frozenset({"root", ACCEPTANCE_ACCOUNT})
"""Accounts that Slurm or Gridmill make themselves."""


def people_problems(site: Site) -> list[Problem]:
    """Unknown time zone; logins and accounts that are reserved; user IDs that two people share."""
    problems: list[Problem] = []
    zone = site.location.timezone
    if zone not in _time_zones():
        near = difflib.get_close_matches(zone, _time_zones(), n=1)
        hint = f"did you mean {near[0]}?" if near else ""
        problems.append(Problem(("location", "timezone"), f"unknown time zone {zone}", "an IANA time zone", hint))
    reserved = RESERVED_LOGINS | {site.access.bootstrap.user}
    owners: dict[int, str] = {}
    for name, admin in site.access.admins.items():
        path = ("access", "admins", name)
        if name in reserved:
            problems.append(Problem(path, f"{name} is a system login", "a person's login", "another name"))
        first = owners.setdefault(admin.uid, name)
        if first != name:
            message = f"user ID {admin.uid} is also that of {first}"
            problems.append(Problem((*path, "uid"), message, "each number once", "another uid"))
    problems += [
        Problem(("scheduler", "accounts", name), f"{name} is reserved", "an account of your own", "another name")
        for name in site.scheduler.accounts
        if name in RESERVED_ACCOUNTS
    ]
    return problems


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
