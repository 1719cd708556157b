"""Meters as planned: how each is asked, and what the plan expects where it sits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gridmill.catalog import Catalog
from gridmill.catalog.meter_schema import MeterSku
from gridmill.core.sections.meters import Meter, MeterPlace
from gridmill.core.sections.site import Site
from gridmill.features.meters.problems import PORTS
from gridmill.kernel.context import Planning
from gridmill.power.consumers import PHASES, Caps, Consumer
from gridmill.power.limit import NORMAL, Load
from gridmill.power.limits import Flows, feed_limits, flows, meter_limit_w, phase_limit
from gridmill.power.scheduled import held_w


@dataclass(frozen=True)
class ReadPlan:
    """Where which value stands: registers of Modbus, or objects of SNMP."""

    protocol: str
    """`modbus` or `snmp`."""
    address: str
    port: int
    unit: int
    """Modbus unit; 0 over SNMP."""
    registers: str
    """`holding` or `input`; empty over SNMP."""
    type: str
    """Type of a register's value; empty over SNMP."""
    low_word_first: bool
    power: int | str
    phase_power: tuple[int | str, ...]
    phase_current: tuple[int | str, ...]
    watts: float
    """W that a reading of 1 means."""
    amperes: float
    """A that a reading of 1 means."""


@dataclass(frozen=True)
class MeterPlan:
    """One meter, and what the plan has where it sits, in W and in normal operation."""

    key: str
    name: str
    """What it measures, for people: `the connection`, `feed A`, `the PDU of feed A in pod-a/r1`."""
    pod: str
    rack: str
    feed: str
    sku: str
    read: ReadPlan
    nameplate_w: int
    allocated_w: int
    """What the caps guarantee; at the connection no more than Slurm hands out, where it holds the site."""
    limit_w: int | None
    """What may be planned there; None where the plan knows no limit."""
    phase_limit_w: int | None
    """The same of one phase."""
    simulated: bool

    @property
    def main(self) -> bool:
        """Whether it is the connection's."""
        return not self.feed


@dataclass(frozen=True)
class SnmpPlan:
    """How meters are asked over SNMP."""

    user: str | None
    """User of SNMPv3; None for SNMPv2c."""
    secret_file: str


@dataclass(frozen=True)
class MetersPlan:
    """All meters of a site, the connection's first, then feeds, then PDUs."""

    meters: tuple[MeterPlan, ...] = ()
    snmp: SnmpPlan | None = None
    pdus: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Feeds that a rack with something in it has PDUs of, by `pod/rack`."""
    feed_limits_w: Mapping[str, int] = field(default_factory=dict)
    """By letter, where a breaker or UPS limits a feed in normal operation."""


@dataclass(frozen=True)
class SiteLoads:
    """What is installed: machines and caps, and what the connection carries and may carry, in W."""

    machines: Sequence[Consumer]
    caps: Caps
    nameplate_w: int
    allocated_w: int
    limit_w: int


def plan_meters(planning: Planning) -> MetersPlan:
    """Meters of the installed pods, and what is expected of them."""
    site, catalog, power = planning.site, planning.catalog, planning.site.power
    if power is None or not power.meters:
        return MetersPlan()
    machines = [one for one in planning.definition.power.machines if site.pods[one.pod].from_ is None]
    allocated, pue = held_w(planning.allocated_w, planning.scheduled), site.grid.pue
    nameplate = int(planning.nameplate_w * pue)
    loads = SiteLoads(machines, planning.caps, nameplate, int(allocated * pue), meter_limit_w(site))
    found = flows(loads.machines)
    feeds = _feed_limits(site, catalog, found)
    standing = {key for key, pod in site.pods.items() if pod.from_ is None}
    planned = [
        _planned(site, catalog, loads, found, feeds, key, meter)
        for key, meter in power.meters.items()
        if not meter.measures.pod or meter.measures.pod in standing
    ]
    snmp = SnmpPlan(power.snmp.user, power.snmp.secret_file) if power.snmp else None
    order = sorted(planned, key=lambda meter: (bool(meter.feed), bool(meter.pod), meter.pod, meter.rack, meter.feed))
    racks = sorted({(machine.pod, machine.slot.rack) for machine in loads.machines})
    pdus = {f"{pod}/{rack}": tuple(sorted(site.pods[pod].racks[rack].pdus or ())) for pod, rack in racks}
    return MetersPlan(tuple(order), snmp, pdus, feeds)


@dataclass(frozen=True)
class _Expected:
    """What the plan has where a meter sits."""

    name: str
    nameplate_w: int
    allocated_w: int
    limit_w: int | None
    phase_limit_w: int | None
    phases: int = PHASES


def _feed_limits(site: Site, catalog: Catalog, found: Flows) -> dict[str, int]:
    """In W and normal operation, by letter."""
    least: dict[str, int] = {}
    for row in feed_limits(site, catalog, NORMAL, found):
        feed = str(row.path[2])
        least[feed] = min(least.get(feed, int(row.limit_w)), int(row.limit_w))
    return least


def _planned(
    site: Site,
    catalog: Catalog,
    loads: SiteLoads,
    found: Flows,
    feeds: Mapping[str, int],
    key: str,
    meter: Meter,
) -> MeterPlan:
    place, sku = meter.measures, catalog.meters[meter.sku]
    if place.pod:
        expected = _pdu(site, catalog, loads, _pdu_load(found, place), place)
    elif place.feed:
        expected = _feed(loads, found.feeds.get(place.feed, Load()), place.feed, feeds.get(place.feed))
    else:
        expected = _connection(site, loads)
    return MeterPlan(
        key=key,
        name=expected.name,
        pod=place.pod,
        rack=place.rack,
        feed=place.feed,
        sku=sku.id,
        read=_read(meter, sku, expected.phases),
        nameplate_w=expected.nameplate_w,
        allocated_w=expected.allocated_w,
        limit_w=expected.limit_w,
        phase_limit_w=expected.phase_limit_w,
        simulated=sku.simulated,
    )


def _pdu(site: Site, catalog: Catalog, loads: SiteLoads, load: Load, place: MeterPlace) -> _Expected:
    name = f"the PDU of feed {place.feed} in {place.pod}/{place.rack}"
    one, phases = phase_limit(site, catalog, (*place, 0)) or (0.0, PHASES)
    return _Expected(name, int(load.draw_w({})), int(load.draw_w(loads.caps)), int(one * phases), int(one), phases)


def _pdu_load(found: Flows, place: MeterPlace) -> Load:
    """All phases of a PDU together."""
    total = Load()
    for phase in range(PHASES):
        if load := found.phases.get((*place, phase)):
            total.fixed_w += load.fixed_w
            for kind, count in load.gpus.items():
                total.gpus[kind] += count
    return total


def _feed(loads: SiteLoads, load: Load, feed: str, limit: int | None) -> _Expected:
    one = limit // PHASES if limit is not None else None
    return _Expected(f"feed {feed}", int(load.draw_w({})), int(load.draw_w(loads.caps)), limit, one)


def _connection(site: Site, loads: SiteLoads) -> _Expected:
    usable = site.power.usable if site.power else 1
    physical = int(site.grid.connection.apparent_va * site.grid.power_factor * usable)
    return _Expected("the connection", loads.nameplate_w, loads.allocated_w, loads.limit_w, physical // PHASES)


def _read(meter: Meter, sku: MeterSku, phases: int) -> ReadPlan:
    """How it is asked; of a PDU with one phase, for that one."""
    where = sku.modbus or sku.snmp
    if where is None:
        raise ValueError(f"{sku.id} speaks no protocol; the catalogue was not checked")
    registers = sku.modbus
    return ReadPlan(
        protocol=sku.protocol,
        address=meter.address,
        port=meter.port or PORTS[sku.protocol],
        unit=(1 if meter.unit is None else meter.unit) if registers else 0,
        registers=registers.registers if registers else "",
        type=registers.type if registers else "",
        low_word_first=registers is not None and registers.words == "low-first",
        power=where.power,
        phase_power=tuple(where.phase_power[:phases]),
        phase_current=tuple(where.phase_current[:phases]),
        watts=sku.watts,
        amperes=sku.amperes,
    )
