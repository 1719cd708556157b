"""What must hold in a SKU's file: powers in their order, supplies that carry the load, a source for every number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gridmill.catalog.meter_schema import MeterSku
from gridmill.catalog.schema import Equipment, Gpu, Node, Pdu, UpsModule
from gridmill.core.base import Part
from gridmill.core.errors import Path, Problem
from gridmill.core.units import kilowatts

HARDWARE = (Gpu, Node, Equipment, Pdu, UpsModule, MeterSku)
"""Entries of which every number must have a source."""


def entry_problems(entry: Part) -> list[Problem]:
    """What is inconsistent in one entry; paths are inside its file."""
    found: list[Problem] = []
    if isinstance(entry, Gpu):
        found += _range_problems(entry)
    if isinstance(entry, (Node, Equipment)):
        found += [
            *_order_problems(entry),
            *_supply_problems(entry),
            *_bus_bar_problems(entry),
            *_liquid_problems(entry),
        ]
    if isinstance(entry, MeterSku) and (entry.modbus is None) == (entry.snmp is None):
        found.append(Problem((), "a meter speaks one protocol", "either `modbus` or `snmp`"))
    if isinstance(entry, HARDWARE):
        found += _source_problems(entry)
    return found


def node_problems(node: Node, gpus: dict[str, Gpu]) -> list[Problem]:
    """What does not fit between a node and its GPUs."""
    if node.gpu is None:
        return []
    gpu = gpus.get(node.gpu.type)
    if gpu is None:
        known = ", ".join(sorted(gpus))
        return [Problem(("gpu", "type"), f"node {node.id}: unknown GPU {node.gpu.type}", known)]
    needed = node.gpu.count * gpu.power.max
    if needed <= node.power.nameplate:
        return []
    message = f"node {node.id}: {node.gpu.count} {gpu.id} alone draw {kilowatts(needed)}"
    return [Problem(("power", "nameplate"), message, f"more than that, not {kilowatts(node.power.nameplate)}")]


def numbers(entry: Part) -> list[str]:
    """Every field of an entry that holds a number or several, as in `power.nameplate`."""
    leaves = _leaves(_data(entry))
    return [".".join(path) for path, value in leaves if isinstance(value, (int, float, list)) and value is not True]


def sourced(item: str, name: str) -> bool:
    """Whether the part of an entry that `of` names, such as `power` or `all`, holds the field."""
    return item in ("all", name) or name.startswith(f"{item}.")


def named(entry: Part) -> list[str]:
    """The parts that an entry's sources are `of`."""
    return [item.strip() for source in getattr(entry, "sources", []) for item in source.of.split(",")]


def _data(entry: Part) -> dict[str, Any]:
    return entry.model_dump(by_alias=True, exclude_none=True, exclude={"id", "sources"})


def _leaves(data: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in data.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        elif value is not False:
            yield (*path, key), value


def _range_problems(gpu: Gpu) -> list[Problem]:
    power = gpu.power
    found = []
    if not power.min <= power.default_w <= power.max:
        shown = f"{power.min}, {power.default_w}, {power.max} W"
        found.append(Problem(("power",), f"min, default, max are {shown}", "each at least the one before"))
    if power.idle > power.max:
        found.append(Problem(("power", "idle"), f"{power.idle} W without work", f"at most {power.max} W"))
    return found


def _order_problems(entry: Node | Equipment) -> list[Problem]:
    power = entry.power
    if power.idle <= power.typical <= power.nameplate:
        return []
    shown = ", ".join(kilowatts(watts) for watts in (power.idle, power.typical, power.nameplate))
    return [Problem(("power",), f"idle, typical, nameplate are {shown}", "each at least the one before")]


def _supply_problems(entry: Node | Equipment) -> list[Problem]:
    supplies = entry.supplies
    if supplies is None:
        return []
    path: Path = ("supplies",)
    left = supplies.count - supplies.redundant
    if left < 1 or supplies.needed > supplies.count:
        return [Problem(path, "more supplies are redundant or needed than there are", f"at most {supplies.count}")]
    if left * supplies.each >= entry.power.nameplate:
        return []
    message = f"{left} of {supplies.count} give {kilowatts(left * supplies.each)}"
    expected = f"the nameplate, {kilowatts(entry.power.nameplate)}, with {supplies.redundant} lost"
    return [Problem(path, message, expected, "larger supplies, or `redundant: 0`")]


def _liquid_problems(entry: Node | Equipment) -> list[Problem]:
    if not entry.liquid_share or entry.liquid:
        return []
    return [Problem(("liquidShare",), "only what needs liquid gives heat to it", "`liquid: true`, or no share")]


def _bus_bar_problems(entry: Node | Equipment) -> list[Problem]:
    found = []
    if entry.bus_bar and entry.supplies:
        found.append(Problem(("supplies",), "what hangs on a bus bar has no supplies of its own", "one of both"))
    if isinstance(entry, Equipment) and entry.output and not (entry.kind == "power-shelf" and entry.bus_bar):
        message = "only a power shelf on a bus bar gives power to one"
        found.append(Problem(("output",), message, "`kind: power-shelf` and `busBar: true`"))
    return found


def _source_problems(entry: Part) -> list[Problem]:
    items, fields = named(entry), [".".join(path) for path, _ in _leaves(_data(entry))]
    missing = [name for name in numbers(entry) if not any(sourced(item, name) for item in items)]
    unknown = [item for item in items if not any(sourced(item, name) for name in fields)]
    found = []
    if missing:
        listed = ", ".join(missing)
        hint = f'{{of: "{listed}", from: <document, log or measurement>, confidence: unverified}}'
        found.append(Problem(("sources",), f"no source of {listed}", "a source for every number", hint))
    if unknown:
        found.append(
            Problem(("sources",), f"no field {', '.join(unknown)}", f"parts of this entry: {', '.join(fields)}")
        )
    return found


__all__ = ["HARDWARE", "entry_problems", "named", "node_problems", "numbers", "sourced"]
