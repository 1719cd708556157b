"""SSH to the machines, with the site's key and checked host keys."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from gridmill.lab.errors import LabError

_PORT = 22
_GREETING = b"SSH-"
_POLL_SECONDS = 0.1
_CONNECT_SECONDS = 5


@dataclass(frozen=True)
class SshAccess:
    """How to log in to the machines of a site."""

    user: str
    identity_file: str
    known_hosts_file: str

    def arguments(self, address: str) -> list[str]:
        """Command line of ssh up to the host, for commands to follow; the host key is always checked."""
        options = {
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts_file,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "ConnectTimeout": str(_CONNECT_SECONDS),
            "LogLevel": "ERROR",
        }
        listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-i", self.identity_file, *listed, f"{self.user}@{address}"]

    def run(self, address: str, command: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine and return how it ended; LabError when it takes longer than `timeout` s."""
        try:
            return subprocess.run(
                [*self.arguments(address), command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{address}: no answer to {command!r} within {timeout:.0f} s") from error


def port_answers(address: str, *, timeout: float = 0.5) -> bool:
    """Whether an SSH server greets at an address."""
    try:
        with socket.create_connection((address, _PORT), timeout=timeout) as connection:
            return connection.recv(len(_GREETING)) == _GREETING
    except OSError:
        return False


def wait_for_port(address: str, *, seconds: float, runs: Callable[[], bool]) -> bool:
    """Wait until an SSH server greets; False when none did within that many seconds, or the machine runs no more."""
    deadline = time.monotonic() + seconds
    while not port_answers(address):
        if time.monotonic() > deadline or not runs():
            return False
        time.sleep(_POLL_SECONDS)
    return True
