"""Every limit of a site's power and cooling as one row: what flows through an element, in one situation.

All flows are linear in the caps, so a row is a constant and a number of GPUs per class; a cap is tried without
walking the site again. Machines share their load evenly over their live supplies.

After a loss only those rows are kept that some other row does not contain: the loss of a PDU puts on the other feeds'
elements at most what the loss of its whole feed puts there, and the loss of a supply what the loss of its feed does,
but for its own feed's other phases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from gridmill.catalog import Catalog
from gridmill.core.errors import Path
from gridmill.core.sections.power import Cooling, Power, Ups
from gridmill.core.sections.site import Site
from gridmill.core.units import NOMINAL_VOLTAGE, kilowatts
from gridmill.power.bus_bars import bus_bar_limits
from gridmill.power.consumers import PHASES, Consumer
from gridmill.power.limit import NORMAL, Limit, Load
from gridmill.power.stages import NOW, stages

PHASE_VOLTAGE = NOMINAL_VOLTAGE / 3**0.5
"""V between a phase and neutral."""


PduPhase = tuple[str, str, str, int]
"""Pod, rack, feed, phase."""


@dataclass
class Flows:
    """Loads by feed and by phase of a PDU, in one situation."""

    feeds: dict[str, Load] = field(default_factory=lambda: defaultdict(Load))
    phases: dict[PduPhase, Load] = field(default_factory=lambda: defaultdict(Load))
    lost: list[Consumer] = field(default_factory=list)
    """Machines that are off."""


def flows(machines: Iterable[Consumer], lost_feed: str = "") -> Flows:
    """What flows where, without one feed if one is named."""
    found = Flows()
    for machine in machines:
        alive = machine.alive(lost_feed)
        if not alive:
            if machine.supplies:
                found.lost.append(machine)
            continue
        share = 1 / len(alive)
        for supply in alive:
            found.feeds[supply.feed].add(machine, share)
            found.phases[machine.pod, machine.slot.rack, supply.feed, supply.phase].add(machine, share)
    return found


def limits(site: Site, catalog: Catalog, machines: list[Consumer]) -> Iterator[Limit]:
    """Every limit that the site's policy asks to be held."""
    yield from _whole(site, machines)
    if site.power is None:
        return
    yield from _heat(site, catalog, machines)
    situations = {NORMAL: flows(machines)}
    if site.power.plan == "n-1":
        situations |= {f"with feed {feed} lost": flows(machines, feed) for feed in sorted(site.power.feeds)}
        yield from _after_a_supply(site, catalog, machines, situations[NORMAL])
    for situation, found in situations.items():
        yield from feed_limits(site, catalog, situation, found)
        yield from _phases(site, catalog, situation, found.phases)
    yield from _supplies(site.power, machines)
    yield from bus_bar_limits(site, catalog, machines)


def _total(machines: Iterable[Consumer]) -> Load:
    total = Load()
    for machine in machines:
        total.add(machine, 1)
    return total


def _by(machines: Iterable[Consumer], *, rack: bool) -> dict[tuple[str, str], list[Consumer]]:
    found: dict[tuple[str, str], list[Consumer]] = defaultdict(list)
    for machine in machines:
        found[machine.pod, machine.slot.rack if rack else ""].append(machine)
    return found


def meter_limit_w(site: Site, date: str = NOW) -> int:
    """What may be planned at the meter by a date, in W: connection with its margins, or contract, whichever is
    smaller."""
    usable = site.power.usable if site.power else 1
    physical = int(site.grid.connection.apparent_va * site.grid.power_factor * usable)
    return min(physical, site.grid.contract.firm_on(date)) if site.grid.contract else physical


def _whole(site: Site, machines: list[Consumer]) -> Iterator[Limit]:
    """Budgets, the connection, the contract."""
    for (pod, _), inside in _by(machines, rack=False).items():
        path: Path = ("pods", pod, "budget")
        basis = "as agreed in the stack"
        yield Limit(path, f"the budget of {pod}", NORMAL, site.pods[pod].budget, _total(inside), basis=basis)
    grid = site.grid
    physical = grid.connection.apparent_va * grid.power_factor * (site.power.usable if site.power else 1)
    basis = f"{_kva(grid.connection.apparent_va)} of {grid.connection.text}{_factors(site)}"
    for suffix, total in _at_once(machines):
        yield Limit(("grid", "connection"), f"the connection{suffix}", NORMAL, physical, total, grid.pue, basis)
    if grid.contract is None:
        return
    for stage in stages(site) if grid.contract.later else stages(site)[-1:]:
        inside = [machine for machine in machines if machine.pod in stage.pods] if grid.contract.later else machines
        for suffix, total in _at_once(inside):
            firm, name = stage.contract_w or 0, f"{stage.element}{suffix}"
            yield Limit(stage.path, name, NORMAL, firm, total, grid.pue, "as contracted")


def _at_once(machines: list[Consumer]) -> Iterator[tuple[str, Load]]:
    """What the site may draw at once, with a suffix for the element's name.

    Everything; or, where Slurm holds machines back, each kind of them working alone while the rest of them is idle.
    """
    held = {(machine.group, machine.sku): machine for machine in machines if machine.held}
    if not held:
        yield "", _total(machines)
        return
    idle = _total(machine for machine in machines if not machine.held)
    idle.fixed_w += sum(machine.idle_w for machine in machines if machine.held)
    for (group, _), machine in held.items():
        one = idle.plus(machine, 1)
        one.fixed_w -= machine.idle_w
        yield f" with one node of {group} at work", one


def _heat(site: Site, catalog: Catalog, machines: list[Consumer]) -> Iterator[Limit]:
    """What racks and cooling units can take away; all of the power becomes heat."""
    for (pod, rack), inside in _by(machines, rack=True).items():
        if cooling := site.pods[pod].racks[rack].cooling:
            path: Path = ("pods", pod, "racks", rack, "cooling")
            basis = "as declared for the rack; all power becomes heat"
            yield Limit(path, f"the cooling of {pod}/{rack}", NORMAL, cooling, _total(inside), basis=basis)
    for (key, _), inside in _by(machines, rack=False).items():
        cooled = site.pods[key]
        air, liquid = Load(), Load()
        for machine in inside:
            air.add(machine, machine.air_share if cooled.liquid_cooling else 1)
            liquid.add(machine, machine.liquid_share)
        name = f"the air cooling units of {key}" if cooled.liquid_cooling else f"the cooling units of {key}"
        yield from _units(site, catalog, ("pods", key, "cooling"), name, cooled.cooling, air)
        name = f"the liquid cooling units of {key}"
        yield from _units(site, catalog, ("pods", key, "liquidCooling"), name, cooled.liquid_cooling, liquid)


def _units(
    site: Site, catalog: Catalog, path: Path, element: str, cooling: Cooling | None, load: Load
) -> Iterator[Limit]:
    """All units together, and under N-1 all but one."""
    if cooling is None or not (unit := _unit_w(cooling, catalog)):
        return
    situations = {NORMAL: cooling.units}
    if site.power and site.power.plan == "n-1":
        situations["with one unit lost"] = cooling.units - 1
    for situation, units in situations.items():
        basis = f"{units} x {kilowatts(unit)}"
        yield Limit(path, element, situation, units * unit, load, basis=basis)


def _unit_w(cooling: Cooling, catalog: Catalog) -> int | None:
    """Heat that one unit removes, in W; None for a SKU that nobody knows."""
    if isinstance(cooling.unit, int):
        return cooling.unit
    return catalog.cooling[cooling.unit].heat if cooling.unit in catalog.cooling else None


def _module_va(ups: Ups, catalog: Catalog) -> int | None:
    """Apparent power of one module, in VA; None for a SKU that nobody knows."""
    if isinstance(ups.module, int):
        return ups.module
    return catalog.ups[ups.module].module if ups.module in catalog.ups else None


def feed_limits(site: Site, catalog: Catalog, situation: str, found: Flows) -> Iterator[Limit]:
    """Breakers and UPSs of the feeds."""
    power = site.power
    if power is None:
        return
    factor = site.grid.power_factor * power.usable
    for key, load in sorted(found.feeds.items()):
        feed = power.feeds.get(key)
        if feed and feed.breaker:
            path: Path = ("power", "feeds", key, "breaker")
            basis = f"{_kva(feed.breaker.apparent_va)} of {feed.breaker.text}{_factors(site)}"
            limit_w = feed.breaker.apparent_va * factor
            yield Limit(path, f"the breaker of feed {key}", situation, limit_w, load, basis=basis)
        if feed and feed.ups and (module := _module_va(feed.ups, catalog)):
            path = ("power", "feeds", key, "ups")
            modules = feed.ups.modules
            element, each = f"the UPS of feed {key}", f"{_kva(module)}{_factors(site)}"
            yield Limit(path, element, situation, modules * module * factor, load, basis=f"{modules} x {each}")
            if power.plan == "n-1" and situation == NORMAL:
                left, basis = (modules - 1) * module * factor, f"{modules - 1} x {each}"
                yield Limit(path, element, "with one module lost", left, load, basis=basis)


def _kva(volt_amperes: int) -> str:
    return f"{volt_amperes / 1000:g} kVA"


def _factors(site: Site) -> str:
    """Power factor, the code's factor and the design margin, as factors behind an apparent power."""
    if site.power is None:
        return f" x power factor {site.grid.power_factor:g}"
    text = f" x power factor {site.grid.power_factor:g} x {site.power.usable:g} usable ({site.power.practice}"
    return f"{text}, design margin {site.power.margin:g})"


def phase_limit(site: Site, catalog: Catalog, place: PduPhase) -> tuple[float, int] | None:
    """W of one phase of a PDU, and its phases; None where the rack has no PDU or one that nobody knows."""
    pod, rack, feed, _ = place
    pdu = catalog.pdus.get((site.pods[pod].racks[rack].pdus or {}).get(feed, ""))
    if pdu is None or site.power is None:
        return None
    return pdu.current * PHASE_VOLTAGE * site.grid.power_factor * site.power.usable, pdu.phases


def _phases(site: Site, catalog: Catalog, situation: str, phases: dict[PduPhase, Load]) -> Iterator[Limit]:
    single: dict[tuple[str, str, str], Load] = {}
    for place, load in phases.items():
        known = phase_limit(site, catalog, place)
        if known and known[1] == PHASES:
            yield _phase(site, place, situation, known[0], load)
        elif known:  # all supplies of a single-phase PDU share its one phase
            whole = single.setdefault(place[:3], Load())
            whole.fixed_w += load.fixed_w
            for kind, count in load.gpus.items():
                whole.gpus[kind] += count
    for (pod, rack, feed), load in single.items():
        known = phase_limit(site, catalog, (pod, rack, feed, 0))
        if known:
            yield _phase(site, (pod, rack, feed, 0), situation, known[0], load)


def _phase(site: Site, place: PduPhase, situation: str, limit_w: float, load: Load) -> Limit:
    pod, rack, feed, phase = place
    path = ("pods", pod, "racks", rack, "pdus", feed)
    element = f"phase L{phase + 1} of the PDU of feed {feed} in {pod}/{rack}"
    sku = (site.pods[pod].racks[rack].pdus or {})[feed]
    basis = f"rated current of {sku} x {PHASE_VOLTAGE:.0f} V{_factors(site)}"
    return Limit(path, element, situation, limit_w, load, basis=basis)


def _after_a_supply(site: Site, catalog: Catalog, machines: list[Consumer], normal: Flows) -> Iterator[Limit]:
    """One supply of one machine lost: its feed's other phases carry more. Machines that are alike count once."""
    seen: set[tuple[object, ...]] = set()
    for machine in machines:
        if machine.bus_bar:  # a lost shelf shifts less than its lost feed
            continue
        count = len(machine.supplies)
        for lost in dict.fromkeys(machine.supplies):
            left = list(machine.supplies)
            left.remove(lost)
            for place_phase in {supply.phase for supply in left if supply.feed == lost.feed}:
                place = (machine.pod, machine.slot.rack, lost.feed, place_phase)
                known = phase_limit(site, catalog, place)
                if not known or known[1] != PHASES:
                    continue
                before = sum(
                    1 for supply in machine.supplies if (supply.feed, supply.phase) == (lost.feed, place_phase)
                )
                after = sum(1 for supply in left if (supply.feed, supply.phase) == (lost.feed, place_phase))
                more = after / (count - 1) - before / count
                kind = (place, machine.sku, machine.section, machine.group, more)
                if more > 0 and kind not in seen:
                    seen.add(kind)
                    situation = f"with a supply of {machine.pod}/{machine.slot} lost"
                    yield _phase(site, place, situation, known[0], normal.phases[place].plus(machine, more))


def _supplies(power: Power, machines: list[Consumer]) -> Iterator[Limit]:
    """Whether the supplies that are left can carry the machine; machines that are alike count once."""
    seen: set[tuple[object, ...]] = set()
    for machine in machines:
        feeds = sorted({supply.feed for supply in machine.supplies})
        kind = (machine.sku, machine.section, machine.group, machine.pod, tuple(feeds))
        if machine.supply_w is None or not feeds or kind in seen:
            continue
        seen.add(kind)
        path = ("pods", machine.pod, machine.section, machine.group, "sku")
        element = f"the power supplies of {machine.group} ({machine.sku})"
        count, one = len(machine.supplies), Load().plus(machine, 1)
        situations = {NORMAL: count}
        if power.plan == "n-1":
            situations |= {"with one lost": count - 1} if count > machine.needed else {}
            situations |= {f"with feed {feed} lost": len(alive) for feed in feeds if (alive := machine.alive(feed))}
        for situation, left in situations.items():
            basis = f"{left} of {count} supplies x {kilowatts(machine.supply_w)}"
            yield Limit(path, element, situation, machine.supply_w * left, one, basis=basis)
