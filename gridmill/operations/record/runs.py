"""Which run this is: all phases that one `pulumi up` starts are one run; what is started by hand is one of its own."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridmill.operations.places import find_project

PROC = Path("/proc")
ENGINE = "pulumi"
PLAN = "GRIDMILL_PLAN"
"""Digest of the approved plan that a run applies, in its environment."""
_START_TIME = 19
"""Index of a process's start time (clock ticks since boot) among what /proc/PID/stat says after its name."""


@dataclass(frozen=True)
class Run:
    """A run, and the process that it lives and dies with."""

    id: str
    user: str
    machine: str
    boot: str
    """Identity of the machine's boot and of the PID namespace: process IDs mean something within these."""
    pid: int
    started: str
    """When the process started, in clock ticks since boot."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @property
    def text(self) -> str:
        """For people."""
        return f"{self.user} on {self.machine} (process {self.pid})"


def this_run(proc: Path = PROC) -> Run:
    """The run that this process belongs to."""
    pid = _engine(os.getpid(), proc) or os.getpid()
    boot_id = (proc / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    boot = f"{boot_id} {Path('/proc/self/ns/pid').readlink()}"
    started = _stat(pid, proc)[1]
    machine = socket.gethostname()
    identity = hashlib.sha256(f"{machine} {boot} {pid} {started}".encode()).hexdigest()[:16]
    return Run(identity, getpass.getuser(), machine, boot, pid, started)


def is_dead(run: dict[str, Any], proc: Path = PROC) -> bool:
    """Whether this machine can tell that a run has ended: it was one of this boot's, and its process is gone."""
    here = this_run(proc)
    if (run["machine"], run["boot"]) != (here.machine, here.boot):
        return False
    try:
        return bool(_stat(run["pid"], proc)[1] != run["started"])
    except (FileNotFoundError, ProcessLookupError):
        return True


def revision(root: Path | None = None) -> str:
    """Commit of the project, with `+` when files differ from it; empty where git does not know."""
    root = root or find_project()
    if root is None:
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def uncommitted_stack(site: str, root: Path | None = None) -> dict[str, str]:
    """What the journal says of a stack file that differs from the commit or is in none; empty where git can't tell."""
    root = root or find_project()
    if root is None:
        return {}
    paths = [f"Pulumi.{site}.yaml", f"inventories/{site}"]
    command = ["git", "-C", str(root), "status", "--porcelain", "--ignored", "--untracked-files=all", "--", *paths]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        return {}
    return {"stack": "not committed"} if done.returncode == 0 and done.stdout.strip() else {}


def approved_plan() -> dict[str, str]:
    """What the journal says of the plan that this run applies; nothing of a run without one."""
    digest = os.environ.get(PLAN, "")
    return {"plan": digest} if re.fullmatch("[0-9a-f]{64}", digest) else {}


def _engine(pid: int, proc: Path) -> int | None:
    """The topmost ancestor that is the engine."""
    found = None
    while pid > 1:
        try:
            parent = int(_stat(pid, proc)[0])
            name = (proc / str(pid) / "comm").read_text(encoding="utf-8").strip()
        except (FileNotFoundError, ProcessLookupError):
            break
        if name == ENGINE:
            found = pid
        pid = parent
    return found


def _stat(pid: int, proc: Path) -> tuple[str, str]:
    """Parent and start time of a process."""
    fields = (proc / str(pid) / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return fields[1], fields[_START_TIME]
