"""What-if without a stack: so many systems, on such a connection. Only the systems themselves are counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gridmill.catalog import Catalog, Node
from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.sections.pods import Slot
from gridmill.core.units import Connection
from gridmill.power.caps import highest_uniform_cap
from gridmill.power.consumers import Consumer, GpuClass, Supply
from gridmill.power.limit import NORMAL, Limit, Load
from gridmill.power.limits import flows

RACK_UNITS = 48
"""Units of a rack, as the stack definition's default."""

RACK_COOLING_W = 25_000
"""Heat that air takes from one rack, in W; 25 to 30 kW are usual (unverified, from vendors' planning guides)."""

FEED_LETTERS = "ABCDEF"


@dataclass(frozen=True)
class Question:
    """What is asked: systems, and the power that is there."""

    system: str
    nodes: int
    connection: Connection | None = None
    contract_w: int | None = None
    """Contracted power; without connection and contract only the load is asked for."""
    power_factor: float = 0.95
    design_margin: float = 1.0
    """Share of the connection that the plan may use; a contract may be used up."""
    pue: float = 1.25
    feeds: int = 2
    rack_cooling_w: int = RACK_COOLING_W

    @property
    def connection_w(self) -> int | None:
        """What may be planned on the connection, in W."""
        if self.connection is None:
            return None
        return int(self.connection.apparent_va * self.power_factor * self.design_margin)

    @property
    def limit_w(self) -> int | None:
        """What may be planned at the meter, in W: the smaller of connection and contract."""
        return min((watts for watts in (self.connection_w, self.contract_w) if watts is not None), default=None)


UNKNOWN_N1 = {
    "known": False, "survives": None, "survives_uncapped": None, "lost": None, "gpu_cap_w": None, "cost_kw": None,
}  # fmt: skip
"""What is said of N-1 where the catalogue knows no power supplies of a system (trays take theirs from the rack)."""


def size(question: Question, catalog: Catalog) -> dict[str, Any]:
    """Racks, power and caps as plain data; keys are stable. ProblemsError for an unknown system."""
    sku = catalog.nodes.get(question.system)
    if sku is None:
        known = ", ".join(sorted(catalog.nodes))
        raise ProblemsError(
            [Problem(("--system",), f"unknown SKU {question.system}", f"one of {known}")], "the question"
        )
    machine = _machine(sku, catalog, question.feeds)
    total = Load()
    total.add(machine, question.nodes)
    supply_rows = [
        *_supplies(machine, len(machine.supplies), NORMAL),
        *_supplies(machine, len(machine.supplies) - 1, "with one supply lost"),
        *_supplies(machine, len(machine.alive(machine.supplies[0].feed)), "with one feed lost"),
    ]
    limit_w = question.limit_w
    rows = [*_meter(question, total), *supply_rows[:1]]
    nameplate = sku.power.nameplate * question.nodes
    lost = len(flows([machine], machine.supplies[0].feed).lost) > 0
    cap, cap_n1 = highest_uniform_cap(rows, [machine]), highest_uniform_cap([*rows, *supply_rows], [machine])
    survives_uncapped = not lost and all(row.holds({}) for row in [*rows, *supply_rows])
    return {
        "system": sku.id,
        "nodes": question.nodes,
        "gpus": question.nodes * machine.gpus,
        "racks": _racks(question, sku),
        "power": {
            "it_kw": _kw(nameplate),
            "grid_kw": _kw(nameplate * question.pue),
            "typical": {"it_kw": _kw(sku.power.typical * question.nodes),
                        "grid_kw": _kw(sku.power.typical * question.nodes * question.pue)},
            "idle": {"it_kw": _kw(sku.power.idle * question.nodes),
                     "grid_kw": _kw(sku.power.idle * question.nodes * question.pue)},
            "pue": question.pue,
            "connection": question.connection.text if question.connection else None,
            "power_factor": question.power_factor,
            "design_margin": question.design_margin,
            "connection_kw": None if question.connection_w is None else _kw(question.connection_w),
            "contract_kw": None if question.contract_w is None else _kw(question.contract_w),
            "limit_kw": None if limit_w is None else _kw(limit_w),
            "fits_uncapped": None if limit_w is None else all(row.holds({}) for row in rows),
            "gpu_cap_w": cap,
            "nodes_that_fit_uncapped": None if limit_w is None else int(limit_w / (sku.power.nameplate * question.pue)),
            "n1": {
                "feeds": question.feeds,
                "known": True,
                "survives": survives_uncapped or (not lost and cap_n1 is not None),
                "survives_uncapped": survives_uncapped,
                "lost": lost,
                "gpu_cap_w": None if lost else cap_n1,
                "cost_kw": None
                if lost or cap_n1 is None or cap is None or not machine.gpus
                else _kw((cap - cap_n1) * machine.gpus * question.nodes),
            } if sku.supplies else {**UNKNOWN_N1, "feeds": question.feeds},
        },
    }  # fmt: skip


def _machine(sku: Node, catalog: Catalog, feeds: int) -> Consumer:
    gpu = None
    if sku.gpu:
        kind = catalog.gpus[sku.gpu.type]
        gpu = GpuClass("systems", kind.id, kind.power.min, kind.power.max)
    count = sku.supplies.count if sku.supplies else feeds
    return Consumer(
        pod="",
        group="systems",
        slot=Slot("r1", 1),
        sku=sku.id,
        fixed_w=sku.power.nameplate - (sku.gpu.count * gpu.max_w if sku.gpu and gpu else 0),
        gpus=sku.gpu.count if sku.gpu else 0,
        gpu=gpu,
        supplies=tuple(Supply(FEED_LETTERS[index % feeds], 0) for index in range(count)),
        supply_w=sku.supplies.each if sku.supplies else None,
        needed=sku.supplies.needed if sku.supplies else 1,
    )


def _racks(question: Question, sku: Node) -> dict[str, Any]:
    """How many racks, by height, by the heat that goes into the air, and by how the vendor builds them."""
    air_w = sku.power.nameplate * (1 - (sku.liquid_share or 0) if sku.liquid else 1)
    most = [RACK_UNITS // sku.units, int(question.rack_cooling_w / air_w), sku.per_rack or RACK_UNITS, question.nodes]
    per_rack = max(1, min(most))
    return {
        "count": math.ceil(question.nodes / per_rack),
        "nodes_per_rack": per_rack,
        "rack_kw": _kw(per_rack * sku.power.nameplate),
        "rack_air_kw": _kw(per_rack * air_w),
        "cooling_kw": _kw(question.rack_cooling_w),
        "fits_cooling": air_w <= question.rack_cooling_w,
    }


def _meter(question: Question, total: Load) -> list[Limit]:
    limit_w = question.limit_w
    return [] if limit_w is None else [Limit(("grid",), "the meter", NORMAL, limit_w, total, question.pue)]


def _supplies(machine: Consumer, alive: int, situation: str) -> list[Limit]:
    if machine.supply_w is None or alive < machine.needed:
        return []
    return [Limit(("system",), "the power supplies", situation, alive * machine.supply_w, Load().plus(machine, 1))]


def _kw(watts: float) -> float:
    return round(watts / 1000, 3)
