"""Control groups: each machine in its own, in every hierarchy, so that its systemd meets nobody else's."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab.errors import LabError

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Hierarchy:
    """One mounted hierarchy and this process' own group in it."""

    mount: Path
    controllers: tuple[str, ...]  # empty: the unified hierarchy (cgroup v2)
    own_group: str

    def group(self, name: str) -> Path:
        """Directory of a group below this process' own."""
        return self.mount / self.own_group.lstrip("/") / name


def systemd_runs() -> bool:
    """Whether this host's first process is systemd; then machines are its services."""
    return Path("/run/systemd/system").is_dir()


def hierarchies(mounts: str | None = None, own: str | None = None) -> list[Hierarchy]:
    """All cgroup hierarchies of this host (texts: /proc/self/mounts and /proc/self/cgroup)."""
    mounts = Path("/proc/self/mounts").read_text() if mounts is None else mounts
    own = Path("/proc/self/cgroup").read_text() if own is None else own
    groups: dict[tuple[str, ...], str] = {}
    for line in own.splitlines():
        _, listed, group = line.split(":", 2)
        groups[tuple(sorted(filter(None, listed.split(","))))] = group
    found = []
    for line in mounts.splitlines():
        _, mount, kind, options = line.split()[:4]
        if kind == "cgroup2":
            found.append(Hierarchy(Path(mount), (), groups.get((), "/")))
        elif kind == "cgroup":
            for controllers, group in groups.items():
                if controllers and set(controllers) <= set(options.split(",")):
                    found.append(Hierarchy(Path(mount), controllers, group))
    return found


def unified_mounted() -> bool:
    """Whether this host has cgroup v2 mounted, alone or beside v1."""
    return any(not hierarchy.controllers for hierarchy in hierarchies())


def make_groups(name: str) -> list[Path]:
    """Make one group of this name in every hierarchy."""
    made = []
    for hierarchy in hierarchies():
        group = hierarchy.group(name)
        group.mkdir(exist_ok=True)
        if "cpuset" in hierarchy.controllers:  # a new cpuset is empty and takes no process
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (group / setting).write_text((group.parent / setting).read_text())
        made.append(group)
    return made


def processes_in(group: Path) -> set[int]:
    """Processes of a group and of all groups below it."""
    found: set[int] = set()
    for path in [group / "cgroup.procs", *group.rglob("cgroup.procs")]:
        with contextlib.suppress(FileNotFoundError, OSError):
            found |= {int(line) for line in path.read_text().split()}
    return found - {0}


def end_groups(groups: list[Path], *, grace_seconds: float) -> None:
    """Kill what still runs in a machine's groups, and remove the groups."""
    deadline = time.monotonic() + grace_seconds
    while pids := set[int]().union(*(processes_in(group) for group in groups)):
        if time.monotonic() > deadline:
            raise LabError(f"processes do not end: {sorted(pids)}")
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    for group in groups:
        below = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
        for path in [*below, group]:
            _remove_group(path, deadline)


def _remove_group(path: Path, deadline: float) -> None:
    while path.exists():
        try:
            path.rmdir()
        except OSError as error:  # a process on its way out holds its group for a moment
            if time.monotonic() > deadline:
                raise LabError(f"control group {path} can't be removed: {error}") from error
            time.sleep(_POLL_SECONDS)


def memory_bytes(groups: list[Path]) -> int | None:
    """Memory that a machine holds and the kernel could not just drop (without file cache); None when not known."""
    for group in groups:
        for usage_file, cache_key, shared_key in (
            ("memory.usage_in_bytes", "total_cache", "total_shmem"),
            ("memory.current", "file", "shmem"),
        ):
            try:
                usage = int((group / usage_file).read_text())
                lines = (group / "memory.stat").read_text().splitlines()
            except (FileNotFoundError, NotADirectoryError):
                continue
            stat = dict(line.split() for line in lines)
            return max(0, usage - int(stat.get(cache_key, 0)) + int(stat.get(shared_key, 0)))
    return None
