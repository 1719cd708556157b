"""Faults on purpose: a machine's cable or its power, pulled and put back; a cable that is slow and loses packets."""

from __future__ import annotations

import json

from gridmill.lab.errors import LabError
from gridmill.lab.machine import Machine
from gridmill.lab.processes import run
from gridmill.lab.site import LabSite, boot_again

_PORT = "host0"  # what systemd-nspawn calls a machine's end of its cable
_BURST_BYTES = 4096
_QUEUE_BYTES = 12_000  # eight full frames: more are dropped, as a saturated uplink does


def unplug(site: LabSite, name: str, *, power: bool) -> None:
    """Pull a machine's cable, so that nothing reaches it while it runs on, or its power, so that nothing is saved."""
    host = site.host(name)
    machine = site.machine(host.name)
    if power:
        if machine.running() is None:
            raise LabError(f"{host.name} is off already", f"python -m gridmill.lab plug {host.name}")
        machine.kill()
        site.progress.line(host.name, "power pulled")
        return
    run(["ip", "link", "set", "dev", port_of(machine, host.name), "down"])
    site.progress.line(host.name, "cable pulled")


def throttle(site: LabSite, name: str, kbit: int) -> None:
    """Let a machine's cable carry `kbit` kbit/s each way; what its short queue has no room for is lost."""
    if kbit < 1:
        raise LabError(f"{kbit} kbit/s carry nothing", f"python -m gridmill.lab unplug {name}")
    host = site.host(name)
    machine = site.machine(host.name)
    shape = ["tbf", "rate", f"{kbit}kbit", "burst", str(_BURST_BYTES), "limit", str(_QUEUE_BYTES)]
    for inside, port in both_ends(machine, host.name):
        run([*inside, "tc", "qdisc", "replace", "dev", port, "root", *shape])
    site.progress.line(host.name, f"cable at {kbit} kbit/s, lossy when full")


def plug(site: LabSite, name: str) -> None:
    """Put back what was pulled or made slow; a machine without power boots with its disk."""
    host = site.host(name)
    machine = site.machine(host.name)
    if machine.running() is None:
        with site.locked():
            boot_again(site, host)
        return
    ends = both_ends(machine, host.name)
    for inside, port in ends:
        kinds = {one["kind"] for one in json.loads(run([*inside, "tc", "-json", "qdisc", "show", "dev", port]))}
        if "tbf" in kinds:
            run([*inside, "tc", "qdisc", "delete", "dev", port, "root"])
    run(["ip", "link", "set", "dev", ends[0][1], "up"])
    site.progress.line(host.name, "cable plugged in")


def both_ends(machine: Machine, name: str) -> list[tuple[list[str], str]]:
    """The two ends of a machine's cable, this host's first: what to run a command with, and the interface there."""
    port = port_of(machine, name)
    return [([], port), (["nsenter", f"--target={machine.leader()}", "--net"], _PORT)]


def port_of(machine: Machine, name: str) -> str:
    """This host's end of a machine's cable; LabError for a machine that is off."""
    leader = machine.leader()
    if leader is None:
        raise LabError(f"{name} is off", f"python -m gridmill.lab plug {name}")
    inside = json.loads(run(["nsenter", f"--target={leader}", "--net", "ip", "-json", "link", "show", "dev", _PORT]))
    index = inside[0]["link_index"]
    for link in json.loads(run(["ip", "-json", "link", "show"])):
        if link["ifindex"] == index:
            return str(link["ifname"])
    raise LabError(f"{name}: no interface of this host is the other end of its cable")
