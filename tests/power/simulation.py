"""An independent replay of a site's power: walks machine by machine, supply by supply, and shares no code with the rules.

It knows the stack as plain data and the catalogue's numbers below, and says for one situation what every element
carries. Slow and simple on purpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

SKUS = {
    # fixed W, GPUs, lowest W, highest W, supplies, W each, needed
    "dgx-h100": (4600, 8, 200, 700, 6, 3300, 3),
    "srv-mgmt": (800, 0, 0, 0, 2, 1000, 1),
    "srv-nvme": (1200, 0, 0, 0, 2, 1600, 1),
    "qm9700": (1720, 0, 0, 0, 2, 2000, 1),
}
PDU_AMPERES = {"pdu-3x16a": 16, "pdu-3x32a": 32, "pdu-3x63a": 63}


@dataclass(frozen=True)
class Loss:
    """What is out of order."""

    feed: str = ""
    pdu: tuple[str, str] = ("", "")
    """Rack and feed."""
    supply: tuple[str, int] = ("", -1)
    """Slot of the machine and number of the supply."""
    ups_module: str = ""


@dataclass
class Replay:
    """What happened: broken elements with the W over, and machines that are off."""

    broken: dict[str, float] = field(default_factory=dict)
    off: list[str] = field(default_factory=list)


def groups(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that stands in a pod's racks."""
    return [*pod["nodes"].values(), *pod.get("equipment", {}).values()]


def losses(site: dict[str, Any]) -> list[Loss]:
    """Every single loss, and none."""
    pod = site["pods"]["pod-a"]
    found = [Loss()]
    for feed, definition in site["power"]["feeds"].items():
        found.append(Loss(feed=feed))
        if definition.get("ups"):
            found.append(Loss(ups_module=feed))
    found += [Loss(pdu=(rack, feed)) for rack, data in pod["racks"].items() for feed in data["pdus"]]
    for group in groups(pod):
        found += [Loss(supply=(slot, number)) for slot in group["at"] for number in range(SKUS[group["sku"]][4])]
    return found


def replay(site: dict[str, Any], cap_w: int, loss: Loss) -> Replay:
    """What every element carries in this situation with all GPUs at the cap."""
    pod, grid, power = site["pods"]["pod-a"], site["grid"], site["power"]
    usable = power.get("designMargin", 0.8) * grid.get("powerFactor", 0.95)
    result = Replay()
    phases: dict[tuple[str, str, int], float] = {}
    feeds: dict[str, float] = {}
    total = 0.0
    for group in groups(pod):
        fixed, gpus, low, high, supplies, each, needed = SKUS[group["sku"]]
        draw = fixed + gpus * max(low, min(high, cap_w))
        for slot in group["at"]:
            rack, unit = slot.split("/u")
            ways = sorted(pod["racks"][rack]["pdus"])
            wiring = [(ways[n % len(ways)], (int(unit) + n // len(ways)) % 3) for n in range(supplies)]
            live = [
                (feed, phase)
                for number, (feed, phase) in enumerate(wiring)
                if feed != loss.feed and (rack, feed) != loss.pdu and (slot, number) != loss.supply
            ]
            if len(live) < needed:
                result.off.append(slot)
                continue
            total += draw
            if draw > len(live) * each + 1e-6:
                result.broken[f"supplies of {slot}"] = draw - len(live) * each
            for feed, phase in live:
                phases[rack, feed, phase] = phases.get((rack, feed, phase), 0.0) + draw / len(live)
                feeds[feed] = feeds.get(feed, 0.0) + draw / len(live)
    for (rack, feed, phase), watts in phases.items():
        limit = PDU_AMPERES[pod["racks"][rack]["pdus"][feed]] * 400 / math.sqrt(3) * usable
        if watts > limit + 1e-3:
            result.broken[f"{rack} {feed} L{phase + 1}"] = watts - limit
    for feed, watts in feeds.items():
        if ups := power["feeds"][feed].get("ups"):
            modules = ups["modules"] - (loss.ups_module == feed)
            limit = modules * int(ups["module"].split()[0]) * 1000 * usable
            if watts > limit + 1e-3:
                result.broken[f"UPS {feed}"] = watts - limit
    if total > int(pod["budget"].split()[0]):
        result.broken["budget"] = total
    return result
