"""The simulated meters of a site: one process in a network name space of its own, on the site's bridge."""

from __future__ import annotations

import json
import secrets
import sys
import time
from pathlib import Path
from typing import Any

from gridmill.lab.errors import LabError
from gridmill.lab.keys import PRIVATE, check_inside, write_atomically
from gridmill.lab.layout import SitePaths
from gridmill.lab.network import Bridge, mac_address
from gridmill.lab.processes import ProcessRecord, run, start_detached
from gridmill.lab.rack import RackedSite
from gridmill.lab.records import read_process, write_process

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0
_LIBRARY = Path(__file__).resolve().parents[2]
"""From which the meters' process imports this package."""


def ensure_running(paths: SitePaths, rack: RackedSite, bridge: Bridge, packages: list[Path]) -> bool:
    """Start the meters unless they run as described; end them where the rack has none. True when they were started."""
    description = paths.meters / "description.json"
    if not rack.meters:
        stop(paths, bridge)
        return False
    secret_file = _expanded(rack.meters["secret_file"], paths)
    if secret_file:
        _ensure_secret(Path(secret_file))
    library = _library(paths, packages)
    question = {"site": rack.name, "library": str(library), "secret_file": secret_file, "meters": rack.meters}
    text = json.dumps(question, indent=1) + "\n"
    current = running(paths)
    if current and description.exists() and description.read_text() == text and _stands(bridge):
        return False
    stop(paths, bridge)
    write_atomically(description, text)
    _make_network(rack, bridge)
    log = paths.meters / "log"
    log.unlink(missing_ok=True)
    inside = ["ip", "netns", "exec", name_space(bridge)]
    command = [*inside, sys.executable, "-m", "gridmill.lab.meter_server", str(description)]
    pid = start_detached(command, output=log, environment={"PYTHONPATH": str(_LIBRARY)})
    record = write_process(paths.meters / "process.json", pid)
    _wait(record, log)
    return True


def _wait(record: ProcessRecord | None, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while "simulated meters" not in log.read_text():
        if record is None or not record.is_alive() or time.monotonic() > deadline:
            last = (log.read_text().strip().splitlines() or ["nothing"])[-1]
            hint = "make setup installs what is missing" if "ModuleNotFoundError" in last else f"their log: {log}"
            raise LabError(f"the simulated meters did not start: {last}", hint)
        time.sleep(0.1)


def running(paths: SitePaths) -> ProcessRecord | None:
    """The meters' process when it runs."""
    record = read_process(paths.meters / "process.json")
    return record if record and record.is_alive() else None


def stop(paths: SitePaths, bridge: Bridge) -> None:
    """End the meters, and remove their network, if there are any."""
    current = running(paths)
    if current:
        current.stop(grace_seconds=_STOP_SECONDS)
    (paths.meters / "process.json").unlink(missing_ok=True)
    if _stands(bridge):
        run(["ip", "netns", "delete", name_space(bridge)])  # takes both ends of the pair along


def name_space(bridge: Bridge) -> str:
    """Name of the meters' network name space."""
    return f"{bridge.name}-meters"


def _stands(bridge: Bridge) -> bool:
    return Path("/run/netns", name_space(bridge)).exists()


def _make_network(rack: RackedSite, bridge: Bridge) -> None:
    """A pair of interfaces: one end on the bridge, the other with all meters' addresses in their name space."""
    name, space = mac_address(rack.name, "meters").replace(":", "")[-6:], name_space(bridge)
    outside, inside = f"gmm-{name}", "meters0"
    run(["ip", "netns", "add", space])
    run(["ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", space])
    run(["ip", "link", "set", "dev", outside, "master", bridge.name, "up"])
    for meter in rack.meters["meters"].values():
        address = f"{meter['read']['address']}/{rack.prefix_length}"
        run(["ip", "-netns", space, "addr", "add", address, "dev", inside])
    for device in ("lo", inside):
        run(["ip", "-netns", space, "link", "set", "dev", device, "up"])


def _expanded(path: str, paths: SitePaths) -> str:
    """The file that the stack names; the lab makes it only among its own."""
    if not path:
        return ""
    made = Path(path.replace("{state}", str(paths.state.parent.parent))).expanduser()
    check_inside(made, paths.state, "the meters' secret")
    return str(made)


def _ensure_secret(path: Path) -> None:
    """A passphrase of the site's own: nobody has the same."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=PRIVATE)
        path.write_text(secrets.token_hex(16) + "\n")


def _library(paths: SitePaths, packages: list[Path]) -> Path:
    """The simulated NVML library out of its package."""
    target = paths.meters / "nvml"
    [package] = packages
    marker = target / package.parent.name
    if not marker.exists():
        target.mkdir(parents=True, exist_ok=True)
        run(["dpkg-deb", "--extract", str(package), str(target)])
        marker.touch()
    return next(target.glob("usr/lib/*/libnvidia-ml.so.1")).resolve()


def collect(paths: SitePaths, rack: RackedSite) -> dict[str, Any]:
    """State of the meters as plain data."""
    process = running(paths)
    meters = rack.meters.get("meters", {})
    return {
        "state": "up" if process else "down",
        "pid": process.pid if process else None,
        "addresses": {key: f"{one['read']['address']}:{one['read']['port']}" for key, one in sorted(meters.items())},
    }
