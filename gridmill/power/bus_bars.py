"""Bus bars of racks: power shelves feed them, and share what hangs on them evenly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gridmill.catalog import Catalog
from gridmill.core.errors import Path, Problem
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power.consumers import Consumer, shelves_of
from gridmill.power.limit import NORMAL, Limit, Load


def bus_bar_limits(site: Site, catalog: Catalog, machines: Iterable[Consumer]) -> Iterator[Limit]:
    """What a rack's power shelves give; under `n-1` also with one of them lost, and with those of a feed."""
    if site.power is None:
        return
    for (pod, rack), inside in _racks(machines).items():
        shelves = shelves_of(site.pods[pod], catalog).get(rack, [])
        load, outputs, feeds = Load(), [output for _, output in shelves], _feeds_of(inside)
        for machine in inside:
            if machine.section == "nodes" or catalog.equipment[machine.sku].output is None:
                load.add(machine, 1)
        situations = {NORMAL: outputs}
        if site.power.plan == "n-1" and outputs:
            situations["with one shelf lost"] = sorted(outputs)[:-1]
            for feed in sorted(set(feeds)):
                left = [output for output, its in zip(outputs, feeds, strict=False) if its != feed]
                situations |= {f"with feed {feed} lost": left} if left else {}
        for situation, left in situations.items():
            path: Path = ("pods", pod, "racks", rack)
            basis = f"{len(left)} of {len(outputs)} power shelves, {kilowatts(sum(left))} together"
            if outputs:
                yield Limit(path, f"the power shelves of {pod}/{rack}", situation, sum(left), load, basis=basis)


def bus_bar_problems(site: Site, catalog: Catalog, machines: Iterable[Consumer]) -> Iterator[Problem]:
    """Racks whose bus bar nothing feeds."""
    for (pod, rack), inside in _racks(machines).items():
        if rack in shelves_of(site.pods[pod], catalog):
            continue
        first = inside[0]
        message = f"{first.group} ({first.sku}) hangs on the bus bar of {rack}, which no power shelf feeds"
        known = ", ".join(sorted(sku.id for sku in catalog.shelves.values() if sku.output))
        hint = f"shelf: {{sku: nvl72-power-shelf, at: [{rack}/u1]}} under equipment"
        yield Problem(("pods", pod, first.section, first.group), message, f"power shelves such as {known}", hint)


def _racks(machines: Iterable[Consumer]) -> dict[tuple[str, str], list[Consumer]]:
    found: dict[tuple[str, str], list[Consumer]] = {}
    for machine in machines:
        if machine.bus_bar:
            found.setdefault((machine.pod, machine.slot.rack), []).append(machine)
    return found


def _feeds_of(inside: list[Consumer]) -> list[str]:
    """The feed of each shelf, in their order: every machine of a bus bar has a supply per shelf and phase."""
    return [supply.feed for supply in inside[0].supplies if supply.phase == 0]
