"""Place and people: a time zone that exists, names and numbers that nobody else has, groups that exist."""

from __future__ import annotations

import functools
import zoneinfo

from gridmill.core.errors import Path, Problem
from gridmill.core.people import ACCEPTANCE_ACCOUNT, ACCEPTANCE_USER, TOOLKITS_USER, nearest
from gridmill.core.sections.site import Site
from gridmill.features.ldap.section import DirectoryUser, Ldap
from gridmill.features.slurm.section import Scheduler

_SYSTEM_LOGINS = """
root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt nobody
messagebus sshd systemd-network systemd-timesync systemd-resolve dnsmasq mysql slurm munge sssd
_chrony _rpc statd mfs nvidia-persistenced
"""
_SYSTEM_GROUPS = """
adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev
staff users nogroup systemd-journal input kvm render sgx netdev crontab clock _ssh ssl-cert docker
gridmill-admins gridmill-users
"""
RESERVED_NAMES = frozenset({*_SYSTEM_LOGINS.split(), *_SYSTEM_GROUPS.split(), ACCEPTANCE_USER, TOOLKITS_USER})
"""Logins and groups of Debian's own services and of ours (base-passwd's lists, and the packages that roles install)."""

RESERVED_ACCOUNTS = frozenset({"root", ACCEPTANCE_ACCOUNT})
"""Accounts that Slurm or Gridmill make themselves."""


def people_problems(site: Site) -> list[Problem]:
    """Unknown time zone; names that are reserved or taken; numbers that two share; groups that don't exist."""
    return [*_place_problems(site), *_name_problems(site), *_number_problems(site), *_group_problems(site)]


def _place_problems(site: Site) -> list[Problem]:
    zone = site.location.timezone
    if zone in _time_zones():
        return []
    hint = nearest(zone, _time_zones(), "")
    return [Problem(("location", "timezone"), f"unknown time zone {zone}", "an IANA time zone", hint)]


def _name_problems(site: Site) -> list[Problem]:
    problems: list[Problem] = []
    reserved = RESERVED_NAMES | {site.access.bootstrap.user}
    owners: dict[str, str] = {}
    for kind, names in (
        ("access.admins", site.access.admins),
        ("access.users", site.access.users),
        ("ldap.users", _ldap_users(site)),
        ("access.groups", site.access.groups),
    ):
        groups = kind == "access.groups"
        for name in names:
            path: Path = (*kind.split("."), name)
            if name in reserved:
                what, expected = ("group", "a group of people") if groups else ("login", "a person's login")
                problems.append(Problem(path, f"{name} is a system {what}", expected, "another name"))
            first = owners.setdefault(name, kind)
            if first != kind:
                hint = "everybody has a group of the own name; another name" if groups else "keep one of them"
                problems.append(Problem(path, f"{name} stands under {first} too", "each name once", hint))
    problems += [
        Problem(("scheduler", "accounts", name), f"{name} is reserved", "an account of your own", "another name")
        for name in site.of(Scheduler).accounts
        if name in RESERVED_ACCOUNTS
    ]
    return problems


def _number_problems(site: Site) -> list[Problem]:
    """People have a group with their own number, so that users and groups share one set of numbers."""
    access = site.access
    given: list[tuple[Path, str, int]] = [
        *((("access", "admins", name, "uid"), name, admin.uid) for name, admin in access.admins.items()),
        *((("access", "users", name, "uid"), name, user.uid) for name, user in access.users.items()),
        *((("ldap", "users", name, "uid"), name, user.uid) for name, user in _ldap_users(site).items()),
        *((("access", "groups", name, "gid"), f"group {name}", group.gid) for name, group in access.groups.items()),
    ]
    problems = []
    owners: dict[int, str] = {}
    for path, name, number in given:
        first = owners.setdefault(number, name)
        if first != name:
            what = "user ID" if path[-1] == "uid" else "group ID"
            message = f"{what} {number} is also that of {first}"
            problems.append(Problem(path, message, "each number once", f"another {path[-1]}"))
    return problems


def _group_problems(site: Site) -> list[Problem]:
    known = sorted(site.access.groups)
    expected = f"one of {', '.join(known)}" if known else "a group of access.groups"
    wanted: list[tuple[Path, list[str]]] = [
        *((("access", "admins", name, "groups"), admin.groups) for name, admin in site.access.admins.items()),
        *((("access", "users", name, "groups"), user.groups) for name, user in site.access.users.items()),
        *(
            (("scheduler", "partitions", name, "allowGroups"), partition.allow_groups or [])
            for name, partition in site.of(Scheduler).partitions.items()
        ),
    ]
    return [
        Problem((*path, position), f"unknown group {name}", expected, nearest(name, known, "add it to access.groups"))
        for path, names in wanted
        for position, name in enumerate(names)
        if name not in site.access.groups
    ]


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _ldap_users(site: Site) -> dict[str, DirectoryUser]:
    ldap = site.get(Ldap)
    return ldap.users if ldap else {}
