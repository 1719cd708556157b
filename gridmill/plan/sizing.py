"""What-if without a stack: so many systems, on such a connection. Only the systems themselves are counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gridmill.catalog import Catalog, Node
from gridmill.errors import Problem, ProblemsError
from gridmill.model.grid import Grid
from gridmill.model.pods import Slot
from gridmill.rules.power.caps import highest_uniform_cap
from gridmill.rules.power.consumers import Consumer, GpuClass, Supply
from gridmill.rules.power.limit import NORMAL, Limit, Load
from gridmill.rules.power.limits import flows

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
    grid: Grid | None
    """Connection, power factor and PUE; None when only the load is asked for."""
    pue: float
    feeds: int
    rack_cooling_w: int = RACK_COOLING_W


def size(question: Question, catalog: Catalog) -> dict[str, Any]:
    """Racks, power and caps as plain data; keys are stable. ProblemsError for an unknown system."""
    sku = catalog.nodes.get(question.system)
    if sku is None:
        known = ", ".join(sorted(catalog.nodes))
        raise ProblemsError([Problem(("system",), f"unknown SKU {question.system}", f"one of {known}")])
    machine = _machine(sku, catalog, question.feeds)
    total = Load()
    total.add(machine, question.nodes)
    supply_rows = [
        *_supplies(machine, len(machine.supplies), NORMAL),
        *_supplies(machine, len(machine.supplies) - 1, "with one supply lost"),
        *_supplies(machine, len(machine.alive(machine.supplies[0].feed)), "with one feed lost"),
    ]
    meter = _meter(question.grid, total)
    rows = [*meter, *supply_rows[:1]]
    per_rack = min(RACK_UNITS // sku.units, max(1, question.rack_cooling_w // sku.power.nameplate))
    racks = math.ceil(question.nodes / per_rack)
    nameplate = sku.power.nameplate * question.nodes
    lost = len(flows([machine], machine.supplies[0].feed).lost) > 0
    cap, cap_n1 = highest_uniform_cap(rows, [machine]), highest_uniform_cap([*rows, *supply_rows], [machine])
    fits = all(row.holds({}) for row in rows)
    return {
        "system": sku.id,
        "nodes": question.nodes,
        "gpus": question.nodes * machine.gpus,
        "racks": {"count": racks, "nodes_per_rack": per_rack, "rack_kw": _kw(per_rack * sku.power.nameplate)},
        "power": {
            "it_kw": _kw(nameplate),
            "grid_kw": _kw(nameplate * question.pue),
            "typical": {"it_kw": _kw(sku.power.typical * question.nodes),
                        "grid_kw": _kw(sku.power.typical * question.nodes * question.pue)},
            "idle": {"it_kw": _kw(sku.power.idle * question.nodes),
                     "grid_kw": _kw(sku.power.idle * question.nodes * question.pue)},
            "pue": question.pue,
            "limit_kw": _kw(question.grid.limit_w) if question.grid else None,
            "fits_uncapped": fits,
            "gpu_cap_w": cap,
            "nodes_that_fit_uncapped": _nodes_that_fit(question, sku.power.nameplate),
            "n1": {
                "feeds": question.feeds,
                "survives": not lost and all(row.holds({}) for row in supply_rows),
                "lost": lost,
                "gpu_cap_w": None if lost else cap_n1,
                "cost_kw": None
                if lost or cap_n1 is None or cap is None or not machine.gpus
                else _kw((cap - cap_n1) * machine.gpus * question.nodes),
            },
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


def _meter(grid: Grid | None, total: Load) -> list[Limit]:
    return [Limit(("grid",), "the connection", NORMAL, grid.limit_w, total, grid.pue)] if grid else []


def _supplies(machine: Consumer, alive: int, situation: str) -> list[Limit]:
    if machine.supply_w is None or alive < machine.needed:
        return []
    return [Limit(("system",), "the power supplies", situation, alive * machine.supply_w, Load().plus(machine, 1))]


def _nodes_that_fit(question: Question, nameplate_w: int) -> int | None:
    return int(question.grid.limit_w / (nameplate_w * question.pue)) if question.grid else None


def _kw(watts: float) -> float:
    return round(watts / 1000, 3)
