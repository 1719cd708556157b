"""Files of the machine that Gridmill runs on, without which no other machine can be reached, or no meter be asked."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.directories import on_this_machine
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect.meters import snmp_configuration, snmp_secret_file
from gridmill.operations.inspect.preflight import HERE, Finding

LAB_FILES = "{state}/lab"
"""Where the virtual machines of a site have their keys, which racking makes."""
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
"""Environment variable of Pulumi that names the file with the stack's passphrase."""


def missing_files(plan: SitePlan) -> list[Finding]:
    """What is not there or cannot be read, and how to get it: all that somebody who works on the site needs."""
    found = [*missing_to_connect(plan), *_missing_secret(plan)]
    if (name := os.environ.get(PASSPHRASE_FILE)) and (reason := _unreadable(Path(name))):
        fix = "put the stack's passphrase there, or unset the variable"
        found.append(Finding(HERE, PASSPHRASE_FILE, name, reason, fix))
    return found


def missing_to_connect(plan: SitePlan) -> list[Finding]:
    """What of it is needed to reach a machine."""
    connection = plan_connection(plan)
    identity, known = connection.identity_file, connection.known_hosts_file
    racked = f"`lab up --stack Pulumi.{plan.name}.yaml` makes it, with the virtual machines"
    wanted = [
        (
            "access.bootstrap.identityFile",
            identity,
            f"{_directory(identity)}ssh-keygen -t ed25519 -f {quote(str(identity))}; its .pub line belongs to"
            f" {connection.user} on every machine",
        ),
        (
            "access.bootstrap.knownHostsFile",
            known,
            f"{_directory(known)}ssh-keyscan -t ed25519 ADDRESS >> {quote(str(known))} for each machine, once compared"
            " with its console",
        ),
    ]
    return [
        Finding(HERE, what, str(path), reason, racked if path.is_relative_to(on_this_machine(LAB_FILES)) else fix)
        for what, path, fix in wanted
        if (reason := _unreadable(path))
    ]


def require_files(plan: SitePlan, status: int = 1) -> None:
    """OperationError, with this exit status, that names every missing file without which no machine can be asked."""
    if missing := missing_to_connect(plan):
        lines = [f"{item.expected}: {item.found} ({item.what}); fix: {item.fix}" for item in missing]
        raise OperationError("\n".join(["no machine was asked:", *lines] if lines[1:] else lines), status)


def _missing_secret(plan: SitePlan) -> list[Finding]:
    """The secret of meters that speak SNMP, where the site has one."""
    snmp = plan.of(MetersPlan).snmp
    if snmp is None:
        return []
    what, path = "power.snmp.secretFile", snmp_secret_file(snmp)
    fix = f"{_directory(path)}put the {'passphrase' if snmp.user else 'community'} into {quote(str(path))}, mode 0600"
    try:
        snmp_configuration(snmp)
    except OperationError as error:
        reason = _unreadable(path) or str(error).removeprefix(f"{what}: {path} ")
        return [Finding(HERE, what, str(path), reason, fix)]
    return []


def _directory(path: Path) -> str:
    """The command that makes a file's directory, where that is missing."""
    return "" if path.parent.exists() else f"mkdir -p {quote(str(path.parent))} && "


def _unreadable(path: Path) -> str:
    if not path.exists():
        return "missing"
    return "" if path.is_file() and os.access(path, os.R_OK) else "cannot be read"
