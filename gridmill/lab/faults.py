"""Faults on purpose: a machine's cable or its power, pulled and put back; a cable that is slow and loses packets."""

from __future__ import annotations

import json

from gridmill.lab import network
from gridmill.lab.errors import LabError
from gridmill.lab.machine import Machine
from gridmill.lab.processes import run
from gridmill.lab.site import LabSite, boot_again

_BURST_BYTES = 4096
_PLACES = {"tbf": "root", "clsact": "clsact"}
"""What makes an end slow and lossy, and where it sits."""
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_NUMBERS = 2**32
_ALL_PERCENT = 100
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


def throttle(site: LabSite, name: str, kbit: int, loss_percent: float) -> None:
    """Let a machine's cable carry `kbit` kbit/s each way and lose so many per cent of its packets, whatever the load.

    What its short queue has no room for is lost as well, but a machine that is slow itself never fills it.
    """
    if kbit < 1:
        raise LabError(f"{kbit} kbit/s carry nothing", f"python -m gridmill.lab unplug {name}")
    if not 0 <= loss_percent < _ALL_PERCENT:
        raise LabError(f"a cable can't lose {loss_percent:g} % of its packets", "from 0 to less than 100 per cent")
    host = site.host(name)
    machine = site.machine(host.name)
    shape = ["tbf", "rate", f"{kbit}kbit", "burst", str(_BURST_BYTES), "limit", str(_QUEUE_BYTES)]
    for inside, port in both_ends(machine, host.name):
        _whole(inside, port)
        run([*inside, "tc", "qdisc", "replace", "dev", port, "root", *shape])
        run([*inside, "tc", "qdisc", "add", "dev", port, "clsact"])
        drop = ["bpf", "direct-action", "bytecode", _dropping(loss_percent)]
        run([*inside, "tc", "filter", "add", "dev", port, "egress", *drop])
    site.progress.line(host.name, f"cable at {kbit} kbit/s, loses {loss_percent:g} % and what it has no room for")


def _dropping(loss_percent: float) -> str:
    """A classifier (a kernel may have no netem): a random number, and from a threshold on drop the packet."""
    threshold = min(_NUMBERS - 1, round(_NUMBERS * (1 - loss_percent / _ALL_PERCENT)))
    instructions = (
        f"32 0 0 {_RANDOM}",  # load a random number of 32 bits
        f"53 0 1 {threshold}",  # if it is at least the threshold: the next instruction; else skip that
        "6 0 0 2",  # return TC_ACT_SHOT
        "6 0 0 4294967295",  # return TC_ACT_UNSPEC: go on
    )
    return f"{len(instructions)},{','.join(instructions)}"


def plug(site: LabSite, name: str) -> None:
    """Put back what was pulled or made slow; a machine without power boots with its disk."""
    host = site.host(name)
    machine = site.machine(host.name)
    if machine.running() is None:
        with site.locked():
            boot_again(site, host)
        return
    ends = both_ends(machine, host.name)
    lost = [_whole(inside, port) for inside, port in ends]
    run(["ip", "link", "set", "dev", ends[0][1], "up"])
    told = "" if None in lost else f"; it had lost {sum(filter(None, lost))} packets"
    site.progress.line(host.name, f"cable plugged in{told}")


def _whole(inside: list[str], port: str) -> int | None:
    """Make one end of a cable whole; how many packets it had lost, None when it was whole."""
    found = json.loads(run([*inside, "tc", "-json", "-statistics", "qdisc", "show", "dev", port]))
    ours = {one["kind"]: one["drops"] for one in found if one["kind"] in _PLACES}
    for kind in ours:
        run([*inside, "tc", "qdisc", "delete", "dev", port, _PLACES[kind]])
    return sum(ours.values()) if ours else None


def both_ends(machine: Machine, name: str) -> list[tuple[list[str], str]]:
    """The two ends of a machine's cable, this host's first: what to run a command with, and the interface there."""
    port = port_of(machine, name)
    return [([], port), (["nsenter", f"--target={machine.leader()}", "--net"], network.INSIDE)]


def port_of(machine: Machine, name: str) -> str:
    """This host's end of a machine's cable; LabError for a machine that is off."""
    leader = machine.leader()
    if leader is None:
        raise LabError(f"{name} is off", f"python -m gridmill.lab plug {name}")
    return network.port_of(leader)
