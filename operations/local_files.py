"""Files of the machine that Gridmill runs on, without which no other machine can be reached."""

from __future__ import annotations

import os
from pathlib import Path

from gridmill.plan import SitePlan
from operations.document import plan_connection
from operations.inspect.preflight import HERE, Finding

PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
"""Environment variable of Pulumi that names the file with the stack's passphrase."""


def missing_files(plan: SitePlan) -> list[Finding]:
    """What is not there or cannot be read, and how to get it."""
    connection = plan_connection(plan)
    identity, known = connection.identity_file, connection.known_hosts_file
    wanted = [
        (
            "access.bootstrap.identityFile",
            identity,
            f"ssh-keygen -t ed25519 -f {identity}; its .pub line belongs to {connection.user} on every machine",
        ),
        (
            "access.bootstrap.knownHostsFile",
            known,
            f"ssh-keyscan -t ed25519 ADDRESS >> {known} for each machine, once compared with its console",
        ),
    ]
    if name := os.environ.get(PASSPHRASE_FILE):
        wanted.append((PASSPHRASE_FILE, Path(name), "put the stack's passphrase there, or unset the variable"))
    return [Finding(HERE, what, str(path), reason, fix) for what, path, fix in wanted if (reason := _unreadable(path))]


def _unreadable(path: Path) -> str:
    if not path.exists():
        return "missing"
    return "" if path.is_file() and os.access(path, os.R_OK) else "cannot be read"
