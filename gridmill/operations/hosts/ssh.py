"""The one way in which Gridmill opens SSH connections: known host keys, one identity, no questions."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess

from gridmill.operations.document import Connection, ConvergeDocument
from gridmill.operations.errors import OperationError

CONNECT_TIMEOUT_S = 10
PLACEHOLDER_BYTES = 64
TIMEOUT_S = 60
"""Seconds that a short command on a host may take."""


def ssh_options(connection: Connection) -> list[str]:
    """Options for `ssh` that hold for every connection."""
    return [
        "-o", f"UserKnownHostsFile={connection.known_hosts_file}",
        "-o", "GlobalKnownHostsFile=/dev/null",
        "-o", "StrictHostKeyChecking=yes",
        "-o", "IdentitiesOnly=yes",
        "-o", "BatchMode=yes",
        "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}",
        "-o", "ServerAliveInterval=15",
        "-o", "ServerAliveCountMax=4",
    ]  # fmt: skip


def ssh_command(connection: Connection, address: str, remote: list[str]) -> list[str]:
    """Argument list that runs `remote` (already safe words) on a host."""
    return [
        "ssh", "-F", "/dev/null", *ssh_options(connection), "-i", str(connection.identity_file),
        "-l", connection.user, "--", address, *remote,
    ]  # fmt: skip


def connection_fix(complaint: str) -> str:
    """What to do about a connection that failed, by what ssh says."""
    text = complaint.lower()
    if "host key verification failed" in text or "no matching host key" in text:
        return "its key is not the one in known_hosts: find out why before you change that file."
    if "permission denied" in text:
        return "put the public key of identityFile into the bootstrap user's authorized_keys."
    return "is it on, cabled, and at its planned address?"


def run_as_root(
    connection: Connection,
    name: str,
    address: str,
    words: list[str],
    *,
    what: str,
    stdin: str = "",
    timeout_s: float = TIMEOUT_S,
) -> str:
    """Standard output of `words`, run as root on the host `name`. OperationError says `what` failed there, and why."""
    remote = shlex.join([*(["sudo", "-n"] if connection.become else []), *words])
    command = ssh_command(connection, address, [remote])
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise OperationError(f"{name}: {what}: no answer within {timeout_s:g} s") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OperationError(f"{name}: {what}: {reason}")
    return done.stdout


def carried_secrets(document: ConvergeDocument, *, pending_change: bool = False) -> dict[str, str]:
    """Read each `carry` file from its host, base64-encoded, into memory. OperationError names host and path.

    With `pending_change`, for check mode, random bytes stand in for a file that an earlier phase has yet to make.
    """
    secrets: dict[str, str] = {}
    for item in document.carry:
        what = f"cannot read {item.path} (the control phase makes it; did it run?)"
        words = ["sh", "-c", 'if [ -e "$1" ]; then exec base64 -w0 -- "$1"; fi', "sh", item.path]
        text = run_as_root(document.connection, item.host, document.addresses[item.host], words, what=what)
        if not text and pending_change:
            text = base64.b64encode(os.urandom(PLACEHOLDER_BYTES)).decode()
        if not text:
            raise OperationError(f"{item.host}: {what}: it is missing or empty")
        secrets[item.variable] = text
    return secrets
