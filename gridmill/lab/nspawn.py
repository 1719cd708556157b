"""The command lines that boot a machine, on hosts with and without systemd."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# enter the machine's control groups (every argument before `--`), then become systemd-nspawn
_ENTER_GROUPS = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"'


def environment(*, unified: bool) -> dict[str, str]:
    """Settings that systemd-nspawn takes from its environment; `unified`: this host has cgroup v2 mounted."""
    # network settings under /proc/sys belong to the machine, all others to the host
    settings = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
    if unified:
        # cgroup v2 alone, as Debian 13 has it everywhere; on a hybrid host its own choice would be a mixture
        settings["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] = "1"
    return settings


@dataclass(frozen=True)
class Boot:
    """What a machine is booted with; `binds` are (on the host, in the machine, read-only)."""

    machine_id: str
    hostname: str
    root: Path
    bridge: str
    binds: tuple[tuple[str, str, bool], ...]


def nspawn_arguments(boot: Boot) -> list[str]:
    """Command line of systemd-nspawn."""
    arguments = [
        "systemd-nspawn",
        "--quiet",
        "--settings=no",
        "--register=no",
        "--keep-unit",
        f"--directory={boot.root}",
        f"--machine={boot.machine_id}",
        f"--hostname={boot.hostname}",
        f"--network-bridge={boot.bridge}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--system-call-filter=bpf",  # device constraints of a scheduler (cgroup v2)
        "--console=read-only",
        "--setenv=SYSTEMD_COLORS=0",
    ]
    for source, target, read_only in boot.binds:
        arguments.append(f"--bind{'-ro' if read_only else ''}={_escape(source)}:{_escape(target)}")
    return [*arguments, "--boot"]


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")


def with_groups(arguments: list[str], groups: list[Path]) -> list[str]:
    """The command line on a host without systemd: started inside the machine's own control groups."""
    return ["sh", "-c", _ENTER_GROUPS, "sh", *[str(group) for group in groups], "--", *arguments]


def unit_name(machine_id: str) -> str:
    """Name of a machine's transient service on a host with systemd."""
    return f"gridmill-lab-{machine_id}.service"


def as_service(arguments: list[str], *, machine_id: str, console: Path, settings: dict[str, str]) -> list[str]:
    """The command line on a host with systemd: a transient service with control groups delegated to it."""
    properties = [
        "Delegate=yes",
        "KillMode=mixed",
        "TasksMax=16384",
        "DevicePolicy=auto",
        "SuccessExitStatus=133",
        f"StandardOutput=append:{console}",
        f"StandardError=append:{console}",
    ]
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit={unit_name(machine_id)}",
        "--slice=machine.slice",
        "--service-type=exec",
        f"--description=Gridmill lab (simulated site): {machine_id}",
        *[f"--setenv={name}={value}" for name, value in settings.items()],
        *[f"--property={one}" for one in properties],
        "--",
        *arguments,
    ]
