"""One machine: racking its file system, booting, stopping and removing it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmill.lab import cgroups, nspawn
from gridmill.lab.keys import write_atomically
from gridmill.lab.layers import lowers
from gridmill.lab.layout import MachinePaths
from gridmill.lab.mounts import discard, is_mounted, mount_overlay, unmount
from gridmill.lab.network import mac_address
from gridmill.lab.packages import INSIDE as PACKAGES_INSIDE
from gridmill.lab.processes import ProcessRecord, run, start_detached
from gridmill.lab.rack import RackedHost
from gridmill.lab.records import read_process, write_process

STOP_SECONDS = 15.0
_END_SECONDS = 10.0
_FUSE = (10, 229)
_NVIDIA_MAJOR = 195
_NVIDIA_CONTROL_MINOR = 255
_DEVICE_MODE = 0o666


@dataclass(frozen=True)
class Machine:
    """A machine of a site; what it is made from stands in its directory."""

    site: str
    name: str
    paths: MachinePaths

    @property
    def machine_id(self) -> str:
        """Name that no machine of another site has."""
        return f"{self.site}-{self.name}"

    @property
    def _group_name(self) -> str:
        return f"gridmill-lab-{self.machine_id}"

    def rootfs(self) -> Path | None:
        """The root file system that it was racked on; None when racking was never completed."""
        found = self._racked().get("rootfs")
        return Path(found) if found else None

    def _racked(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.paths.racked.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def running(self) -> ProcessRecord | None:
        """The machine's process when it runs."""
        record = read_process(self.paths.process)
        return record if record and record.is_alive() else None

    def mount(self, rootfs: Path) -> None:
        """Mount the machine's root file system unless it is mounted; layers of snapshots lie above the shared one."""
        if not is_mounted(self.paths.root):
            below = [*lowers(self.paths.racked), rootfs]
            mount_overlay(lowers=below, upper=self.paths.upper, work=self.paths.work, target=self.paths.root)

    def complete_racking(self, rootfs: Path, host: RackedHost) -> None:
        """Record that the machine stands in the rack."""
        record = {"rootfs": str(rootfs), "place": place_of(host, self.site)}
        write_atomically(self.paths.racked, json.dumps(record) + "\n")

    def place(self) -> dict[str, object]:
        """Where and as what the machine was racked; empty when it is not."""
        return dict(self._racked().get("place", {}))

    def make_devices(self, gpus: int) -> None:
        """Make the machine's own device nodes: FUSE, and for simulated GPUs one number each and a control device.

        They are nodes of the lab, so that what a machine does to their modes stays in the machine.
        """
        self.paths.devices.mkdir(parents=True, exist_ok=True)
        wanted = {"fuse": _FUSE, **{f"nvidia{index}": (_NVIDIA_MAJOR, index) for index in range(gpus)}}
        if gpus:
            wanted["nvidiactl"] = (_NVIDIA_MAJOR, _NVIDIA_CONTROL_MINOR)
        for name, (major, minor) in wanted.items():
            path = self.paths.devices / name
            if not path.exists():
                os.mknod(path, stat.S_IFCHR | _DEVICE_MODE, os.makedev(major, minor))
                path.chmod(_DEVICE_MODE)

    def boot(self, *, bridge: str, packages: Path) -> None:
        """Start the machine; what an earlier run of it left behind is ended first."""
        self.end_left_overs()
        boot = nspawn.Boot(
            machine_id=self.machine_id,
            hostname=self.name,
            root=self.paths.root,
            bridge=bridge,
            binds=(
                (str(packages), PACKAGES_INSIDE, True),
                *[(str(path), f"/dev/{path.name}", False) for path in sorted(self.paths.devices.glob("*"))],
            ),
        )
        arguments = nspawn.nspawn_arguments(boot)
        settings = nspawn.environment(unified=cgroups.unified_mounted())
        if cgroups.systemd_runs():
            run(nspawn.as_service(arguments, machine_id=self.machine_id, console=self.paths.console, settings=settings))
            shown = run(["systemctl", "show", "--property=MainPID", "--value", nspawn.unit_name(self.machine_id)])
            pid = int(shown)
        else:
            groups = cgroups.make_groups(self._group_name)
            write_atomically(self.paths.base / "groups.json", json.dumps([str(group) for group in groups]))
            pid = start_detached(
                nspawn.with_groups(arguments, groups),
                output=self.paths.console,
                environment=settings,
            )
        write_process(self.paths.process, pid)

    def console(self, lines: int) -> list[str]:
        """The last lines that the machine wrote to its console."""
        text = self.paths.console.read_bytes().decode(errors="replace") if self.paths.console.exists() else ""
        return [line for line in text.replace("\r", "").split("\n") if line][-lines:]

    def groups(self) -> list[Path]:
        """The control groups that the machine runs in."""
        if cgroups.systemd_runs():
            return [Path("/sys/fs/cgroup/machine.slice") / nspawn.unit_name(self.machine_id)]
        try:
            return [Path(path) for path in json.loads((self.paths.base / "groups.json").read_text())]
        except (FileNotFoundError, ValueError):
            return []

    def leader(self) -> int | None:
        """Process id, on this host, of the machine's first process; None when it is down."""
        process = self.running()
        if process is None:
            return None
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def memory_bytes(self) -> int | None:
        """Memory that the machine holds; None when it is down or the host does not count."""
        return cgroups.memory_bytes(self.groups())

    def stop(self, seconds: float = STOP_SECONDS) -> bool:
        """Shut the machine down in order, or kill it when that takes longer. True when order was enough."""
        record = self.running()
        orderly = record is None or record.stop(grace_seconds=seconds)
        self.end_left_overs()
        return orderly

    def kill(self) -> None:
        """End the machine at once, as without power."""
        record = self.running()
        if record:
            record.kill(_END_SECONDS)
        self.end_left_overs()

    def end_left_overs(self) -> None:
        """End and remove what a machine without its supervising process left on the host."""
        if cgroups.systemd_runs():
            unit = nspawn.unit_name(self.machine_id)
            if run(["systemctl", "list-units", "--all", "--plain", "--no-legend", unit]).strip():
                run(["systemctl", "stop", unit])
        else:
            cgroups.end_groups([group for group in self.groups() if group.exists()], grace_seconds=_END_SECONDS)
        # newer versions of systemd-nspawn refuse a name whose exported sockets are still mounted
        exported = Path("/run/systemd/nspawn/unix-export") / self.machine_id
        if exported.exists():
            unmount(exported)
            exported.rmdir()
        self.paths.process.unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop the machine and take it out of the rack, with all that it stored."""
        self.stop()
        discard(self.paths.base)

    def wipe_unfinished(self) -> None:
        """Remove what an interrupted racking left, so that racking starts from nothing."""
        self.kill()
        discard(self.paths.base)


def place_of(host: RackedHost, site: str) -> dict[str, object]:
    """What of a machine can only change by racking it anew; another serial number or MAC address is another machine."""
    return {
        "fqdn": host.fqdn,
        "address": host.address,
        **({"address6": host.address6} if host.address6 else {}),
        "gpus": host.gpus.count if host.gpus else 0,
        "serial": serial_of(host),
        "mac": mac_of(host, site),
    }


def serial_of(host: RackedHost) -> str:
    """The serial number that the machine tells: the planned one, or one that says simulated."""
    return host.serial or f"SIM-{host.name}"


def mac_of(host: RackedHost, site: str) -> str:
    """The machine's MAC address: the planned one, or one that follows from its name."""
    return host.mac or mac_address(site, host.name)


def install_file(root: Path, path: str, text: str, *, mode: int = 0o644, owner: int = 0) -> None:
    """Write a file into a machine's root file system; links in the tree are not followed out of it."""
    target = root / path
    parent = target.parent.resolve()
    if not parent.is_relative_to(root.resolve()):
        raise ValueError(f"{path} leads out of the machine's root file system")
    parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.touch(mode=mode)
    target.write_text(text)
    target.chmod(mode)
    shutil.chown(target, owner, owner)


def new_machine_id() -> str:
    """A fresh machine id."""
    return uuid.uuid4().hex
