"""The one way in which Gridmill opens SSH connections: known host keys, one identity, no questions."""

from __future__ import annotations

import subprocess

from operations.document import Connection, ConvergeDocument
from operations.errors import OperationError

CONNECT_TIMEOUT_S = 10


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


def carried_secrets(document: ConvergeDocument) -> dict[str, str]:
    """Read each `carry` file from its host, base64-encoded, into memory. OperationError names host and path."""
    secrets: dict[str, str] = {}
    for item in document.carry:
        remote = [*(["sudo", "-n"] if document.connection.become else []), "base64", "-w0", "--", item.path]
        command = ssh_command(document.connection, document.addresses[item.host], remote)
        try:
            result = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            raise OperationError(f"{item.host}: reading {item.path} took more than 60 s") from error
        if result.returncode or not result.stdout:
            reason = result.stderr.strip().splitlines()[-1:] or ["it is empty"]
            raise OperationError(
                f"{item.host}: cannot read {item.path}: {reason[0]} (the control phase makes it; did it run?)"
            )
        secrets[item.variable] = result.stdout
    return secrets
