"""Faults on purpose: a machine's cable or its power, pulled and put back."""

from __future__ import annotations

import json

from lab.errors import LabError
from lab.machine import Machine
from lab.processes import run
from lab.site import LabSite, boot_again

_PORT = "host0"  # what systemd-nspawn calls a machine's end of its cable
_END_SECONDS = 10.0


def unplug(site: LabSite, name: str, *, power: bool) -> None:
    """Pull a machine's cable, so that nothing reaches it while it runs on, or its power, so that nothing is saved."""
    host = site.host(name)
    machine = site.machine(host.name)
    if power:
        record = machine.running()
        if record is None:
            raise LabError(f"{host.name} is off already", f"python -m lab plug {host.name}")
        record.kill(_END_SECONDS)
        machine.end_left_overs()
        site.progress.line(host.name, "power pulled")
        return
    run(["ip", "link", "set", "dev", port_of(machine, host.name), "down"])
    site.progress.line(host.name, "cable pulled")


def plug(site: LabSite, name: str) -> None:
    """Put back what was pulled; a machine without power boots with its disk."""
    host = site.host(name)
    machine = site.machine(host.name)
    if machine.running() is None:
        with site.locked():
            boot_again(site, host)
        return
    run(["ip", "link", "set", "dev", port_of(machine, host.name), "up"])
    site.progress.line(host.name, "cable plugged in")


def port_of(machine: Machine, name: str) -> str:
    """This host's end of a machine's cable; LabError for a machine that is off."""
    leader = machine.leader()
    if leader is None:
        raise LabError(f"{name} is off", f"python -m lab plug {name}")
    inside = json.loads(run(["nsenter", f"--target={leader}", "--net", "ip", "-json", "link", "show", "dev", _PORT]))
    index = inside[0]["link_index"]
    for link in json.loads(run(["ip", "-json", "link", "show"])):
        if link["ifindex"] == index:
            return str(link["ifname"])
    raise LabError(f"{name}: no interface of this host is the other end of its cable")
