"""What flows through the meters of a virtual site: from the draw of its simulated GPUs to phases of PDUs and the main
meter.

A machine that is up draws what it does idle, plus what its GPUs draw above that, plus its fans, processors and losses,
which rise with the GPUs' work up to the nameplate. One that is down draws nothing. Switches and other equipment draw
what is typical. Supplies share their machine's load; what is lost and cooled (PUE) comes on top at the main meter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gridmill.core.names import node_label
from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.power.consumers import PHASES, Consumer, consumers

PHASE_V = 230.9
"""V between a phase and neutral: 400 V / sqrt(3)."""


@dataclass(frozen=True)
class Reading:
    """What one meter measures: W and A by phase."""

    power_w: tuple[float, ...]
    current_a: tuple[float, ...]

    @property
    def total_w(self) -> float:
        """All phases together."""
        return sum(self.power_w)


def racked_meters(definition: Definition, plan: SitePlan) -> dict[str, Any]:
    """The simulated meters, and the loads behind them, as plain data; empty without such meters."""
    meters = {meter.key: meter for meter in plan.of(MetersPlan).meters if meter.simulated}
    if not meters:
        return {}
    site, catalog = definition.site, definition.catalog
    snmp = plan.of(MetersPlan).snmp
    machines = [one for one in consumers(site, catalog) if site.pods[one.pod].from_ is None]
    return {
        "pue": plan.pue,
        "power_factor": site.grid.power_factor,
        "user": snmp.user if snmp else None,
        "secret_file": snmp.secret_file if snmp else "",
        "meters": {
            key: {"pod": one.pod, "rack": one.rack, "feed": one.feed, "read": vars(one.read) | _lists(one.read)}
            for key, one in meters.items()
        },
        "loads": [_load(definition, machine) for machine in machines],
    }


def _lists(read: Any) -> dict[str, list[Any]]:
    return {"phase_power": list(read.phase_power), "phase_current": list(read.phase_current)}


def _load(definition: Definition, machine: Consumer) -> dict[str, Any]:
    catalog = definition.catalog
    node = machine.section == "nodes"
    power = (catalog.nodes if node else catalog.equipment)[machine.sku].power
    gpu = catalog.gpus[machine.gpu.type].power if machine.gpu else None
    idle, highest = (machine.gpus * gpu.idle, machine.gpus * gpu.max) if gpu else (0, 0)
    return {
        "host": node_label(machine.pod, machine.slot) if node else "",
        "gpus_w": [idle, highest],
        "rest_w": [max(0, power.idle - idle), max(0, power.nameplate - highest)] if node else [power.typical] * 2,
        "supplies": [[machine.pod, machine.slot.rack, one.feed, one.phase] for one in machine.supplies],
    }


def draw_w(load: Mapping[str, Any], gpus_w: float | None) -> float:
    """Draw of a machine that is up and whose GPUs draw so much; without GPUs, or of equipment, what it draws idle."""
    (idle, highest), (low, high) = load["gpus_w"], load["rest_w"]
    if gpus_w is None or highest <= idle:
        return float(low + idle)
    work = min(1.0, max(0.0, (gpus_w - idle) / (highest - idle)))
    return float(low + work * (high - low) + gpus_w)


def readings(data: Mapping[str, Any], draws: list[float]) -> dict[str, Reading]:
    """What every meter measures, for draws in the order of the loads."""
    flow: dict[tuple[str, str, str, int], float] = defaultdict(float)
    for load, watts in zip(data["loads"], draws, strict=True):
        supplies = [tuple(place) for place in load["supplies"]] or [("", "", "", phase) for phase in range(PHASES)]
        for place in supplies:
            flow[place] += watts / len(supplies)
    volts = PHASE_V * data["power_factor"]
    found = {}
    for key, meter in data["meters"].items():
        wanted = (meter["pod"], meter["rack"], meter["feed"])
        factor = 1.0 if meter["feed"] else data["pue"]
        watts_by_phase = tuple(
            factor
            * sum(
                watts
                for (*place, at), watts in flow.items()
                if at == phase and all(not want or want == is_ for want, is_ in zip(wanted, place, strict=True))
            )
            for phase in range(PHASES)
        )
        found[key] = Reading(watts_by_phase, tuple(watts / volts for watts in watts_by_phase))
    return found
