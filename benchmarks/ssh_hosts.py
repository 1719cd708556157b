"""Many SSH hosts on one machine: one sshd in a network of its own, where each address of 127.0.0.0/8 is a host.

Everything is private to this process and its children (network and mounts), and ends with them. The hosts share a file
system. Nothing is sent out of the network that is made here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridmill.operations.document import Connection

SSHD = os.environ.get("GRIDMILL_BENCH_SSHD") or shutil.which("sshd", path="/usr/sbin:/usr/bin") or ""
ACCOUNTS = (
    "root:x:0:0:root:{home}:/bin/sh\nsshd:x:107:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/sh\n"
)
DEAD_NETWORK = "198.18.255."
"""Of the benchmarking range; here it leads to a cable that ends nowhere."""


def in_private(command: list[str]) -> list[str]:
    """The command in a network and mount namespace of its own."""
    return ["unshare", "--net", "--mount", "--propagation", "private", "--", *command]


def address(number: int) -> str:
    """Address of a host that answers."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


def dead_address(number: int) -> str:
    """Address of a host that never answers."""
    return f"{DEAD_NETWORK}{number + 2}"


@contextmanager
def ssh_hosts(directory: Path, dead: int = 0, log: Path | None = None) -> Iterator[Connection]:
    """Serve SSH on all of 127.0.0.0/8; `log` is to name every connection. RuntimeError without a working sshd."""
    if not SSHD:
        raise RuntimeError("no sshd here: install openssh-server, or set GRIDMILL_BENCH_SSHD to where it is")
    home = directory / "home"
    (home / ".ssh").mkdir(parents=True)
    for name in ("host", "id"):
        _run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)])
    allowed = home / ".ssh" / "authorized_keys"
    shutil.copyfile(directory / "id.pub", allowed)
    allowed.chmod(0o600)
    kind, key, *_ = (directory / "host.pub").read_text(encoding="utf-8").split()
    (directory / "known_hosts").write_text(f"* {kind} {key}\n", encoding="utf-8")
    (directory / "passwd").write_text(ACCOUNTS.format(home=home), encoding="utf-8")
    (directory / "sshd_config").write_text(
        f"Port 22\nHostKey {directory}/host\nAuthorizedKeysFile {allowed}\nStrictModes no\nUsePAM no\n"
        "PermitRootLogin prohibit-password\nMaxStartups 2000:30:4000\nPidFile none\nUseDNS no\n"
        f"LogLevel {'VERBOSE' if log else 'ERROR'}\n",
        encoding="utf-8",
    )
    _run(["ip", "link", "set", "lo", "up"])
    _run(["mount", "--bind", str(directory / "passwd"), "/etc/passwd"])
    Path("/var/lib/gridmill").mkdir(exist_ok=True)
    _run(["mount", "-t", "tmpfs", "tmpfs", "/var/lib/gridmill"])
    Path("/run/sshd").mkdir(exist_ok=True)
    if dead:
        _cable(dead)
    server = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(directory / "sshd_config"), *(["-E", str(log)] if log else [])]
    )
    connection = Connection("root", directory / "id", directory / "known_hosts", become=False)
    try:
        time.sleep(0.5)
        if server.poll() is not None:
            raise RuntimeError(f"{SSHD} ended with {server.returncode}")
        yield connection
    finally:
        server.terminate()
        server.wait()


def _cable(dead: int) -> None:
    """A cable with nobody at its other end, and machines that are said to be there."""
    _run(["ip", "link", "add", "dead0", "type", "veth", "peer", "name", "dead1"])
    for name in ("dead0", "dead1"):
        _run(["ip", "link", "set", name, "up"])
    _run(["ip", "address", "add", f"{DEAD_NETWORK}1/24", "dev", "dead0"])
    for number in range(dead):
        neighbour = ["ip", "neighbour", "add", dead_address(number), "lladdr", "02:00:00:00:00:01"]
        _run([*neighbour, "nud", "permanent", "dev", "dead0"])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
