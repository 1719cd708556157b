"""Snapshots of a virtual site: its machines' disks, its keys, what Gridmill and Pulumi know of it, at one moment."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gridmill.lab import layers
from gridmill.lab.errors import LabError
from gridmill.lab.keys import write_atomically
from gridmill.lab.layout import SitePaths
from gridmill.lab.mounts import remove_tree
from gridmill.lab.network import check_no_clash
from gridmill.lab.rack import RackedHost, decode
from gridmill.lab.readiness import in_parallel
from gridmill.lab.site import LabSite, boot_all, mount, network_of, serve, start, stop_services
from gridmill.lab.site_state import SiteState

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")
_STOP_SECONDS = 60.0  # a database writes out what it holds
_LAYERS = 16  # their paths are options of one mount, which takes a page of text
_OF_A_MACHINE = ("racked.json", "ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "packages.digest")


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of a site."""

    name: str
    made: str
    """When, UTC."""
    machines: tuple[str, ...]
    stack: Path
    """The stack definition that the site was racked from."""
    path: Path


def snapshots(paths: SitePaths) -> list[Snapshot]:
    """The site's snapshots, oldest first."""
    found = []
    for path in paths.snapshots.glob("*/snapshot.json"):
        data = json.loads(path.read_text())
        found.append(
            Snapshot(path.parent.name, data["made"], tuple(data["machines"]), Path(data["stack"]), path.parent)
        )
    return sorted(found, key=lambda one: (one.made, one.name))


def find(paths: SitePaths, name: str) -> Snapshot:
    """The snapshot of that name; LabError that lists what there is."""
    for one in snapshots(paths):
        if one.name == name:
            return one
    known = ", ".join(one.name for one in snapshots(paths))
    raise LabError(
        f"site {paths.site} has no snapshot {name!r}",
        f"its snapshots: {known}" if known else f"make one: python -m gridmill.lab snapshot {name}",
    )


def snapshot(site: LabSite, name: str) -> None:
    """Shut the machines down, keep the site as it is, and boot those that ran."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} can't be the name of a snapshot", "small letters, digits, and . _ - after the first")
    if any(one.name == name for one in snapshots(site.paths)):
        raise LabError(
            f"site {site.rack.name} has a snapshot {name!r} already",
            f"take another name, or remove it: python -m gridmill.lab snapshots --remove {name}",
        )
    hosts = [host for host in site.rack.hosts if site.machine(host.name).rootfs()]
    if not hosts:
        raise LabError(f"site {site.rack.name} has no machines to keep", "python -m gridmill.lab up")
    with site.locked():
        stack = Path(json.loads(site.paths.rack.read_text())["stack"])
        state = state_of(site.paths, stack)
        state.check_quiet()
        _check_depth(site, hosts)
        started = site.progress.seconds()
        ran = [host for host in hosts if site.machine(host.name).running()]
        try:
            in_parallel(ran, lambda host: _stop(site, host.name))
            _keep(site, [host.name for host in hosts], name, stack)
            site.progress.line(f"snapshot {name}", f"kept after {site.progress.seconds() - started:.1f} s")
        finally:
            boot_all(site, ran)
        site.progress.line(f"snapshot {name}", f"the machines are back after {site.progress.seconds() - started:.1f} s")
        if state.pulumi is None:
            site.progress.line(f"snapshot {name}", "Pulumi keeps its state elsewhere: that is not part of it")


def _check_depth(site: LabSite, hosts: Sequence[RackedHost]) -> None:
    for host in hosts:
        if len(layers.layers_of(site.paths.machine(host.name).racked)) >= _LAYERS:
            raise LabError(
                f"{host.name} stands on {_LAYERS} layers of snapshots, and an overlay takes no more",
                "restore an older snapshot, or make the machines anew: python -m gridmill.lab down, then up",
            )


def _keep(site: LabSite, names: Sequence[str], name: str, stack: Path) -> None:
    """Make the snapshot of machines that are off; it is one when its directory has its name."""
    temporary = site.paths.snapshots / f".{name}.new"
    for unfinished in site.paths.snapshots.glob(".*.new"):
        remove_tree(unfinished)
    for one in names:
        paths = site.paths.machine(one)
        layers.freeze(paths, site.paths.layers)
        _copy_record(paths.base, temporary / "machines" / one)
    state_of(site.paths, stack).keep(temporary / "state")
    if stack.exists():
        shutil.copy2(stack, temporary / "stack.yaml")
    made = datetime.now(UTC).isoformat(timespec="seconds")
    data = {"made": made, "stack": str(stack), "machines": list(names)}
    write_atomically(temporary / "snapshot.json", json.dumps(data, indent=1) + "\n")
    temporary.rename(site.paths.snapshots / name)
    layers.collect(site.paths)


def restore(site: LabSite, name: str) -> None:
    """Put the site back as a snapshot has it, and boot it; what it stored since is lost."""
    chosen = find(site.paths, name)
    records = sorted(chosen.path.glob("machines/*/racked.json"))
    for record in records:
        for part in (Path(json.loads(record.read_text())["rootfs"]), *layers.layers_of(record)):
            if not part.is_dir():
                raise LabError(
                    f"snapshot {name} can't be restored: {part} is gone",
                    f"remove it (python -m gridmill.lab snapshots --remove {name}) and make another",
                )
    state = state_of(site.paths, chosen.stack)
    with site.locked():
        state.check_quiet()
        started = site.progress.seconds()
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(lambda one: site.machine(one).wipe_unfinished(), site.standing()))
        for record in records:
            _copy_record(record.parent, site.paths.machine(record.parent.name).base)
        state.put_back(chosen.path / "state")
        layers.collect(site.paths)
        back = LabSite(decode(json.loads(site.paths.rack.read_text())["rack"]), site.paths, site.progress)
        if network_of(back.rack) != network_of(site.rack):
            stop_services(site)
        check_no_clash(back.bridge)
        services = serve(back)
        hosts = [host for host in back.rack.hosts if host.name in chosen.machines]
        for host in hosts:
            back.machine(host.name).make_devices(host.gpus.count if host.gpus else 0)
        mount(back, hosts)
        start(back, hosts, services)
        site.progress.line(f"snapshot {name}", f"back after {site.progress.seconds() - started:.1f} s")
        kept = chosen.path / "stack.yaml"
        if kept.exists() and (not chosen.stack.exists() or chosen.stack.read_bytes() != kept.read_bytes()):
            site.progress.line(f"snapshot {name}", f"{chosen.stack} differs from then; as it was: {kept}")


def remove(site: LabSite, name: str) -> None:
    """Forget a snapshot; what only it needed is deleted."""
    chosen = find(site.paths, name)
    with site.locked():
        remove_tree(chosen.path)
        layers.collect(site.paths)
        site.progress.line(f"snapshot {name}", "removed")


def as_data(paths: SitePaths) -> dict[str, Any]:
    """The snapshots as plain data."""
    shown = [
        {"name": one.name, "made": one.made, "machines": list(one.machines), "stack": str(one.stack)}
        for one in snapshots(paths)
    ]
    return {"schema": "gridmill.lab-snapshots/v1", "site": paths.site, "snapshots": shown}


def render(paths: SitePaths) -> str:
    """The snapshots as lines for people."""
    lines = [f"{one.name}: made {one.made}, {len(one.machines)} machines" for one in snapshots(paths)]
    return "\n".join(lines) or f"site {paths.site} has no snapshots"


def state_of(paths: SitePaths, stack: Path) -> SiteState:
    """The state of a site, by the file of its stack definition."""
    return SiteState(paths, stack.stem.removeprefix("Pulumi."))


def _stop(site: LabSite, name: str) -> None:
    if not site.machine(name).stop(_STOP_SECONDS):
        raise LabError(
            f"{name} did not shut down within {_STOP_SECONDS:.0f} s, so nobody knows what of it is written",
            f"nothing was kept; the machines boot again: python -m gridmill.lab logs {name}, then repeat",
        )
    site.progress.line(name, "shut down")


def _copy_record(source: Path, target: Path) -> None:
    """What a machine is, beside what it stored; the record that makes it complete comes last."""
    target.mkdir(parents=True, exist_ok=True)
    for name in reversed(_OF_A_MACHINE):
        if (source / name).exists():
            shutil.copy2(source / name, target / name)
