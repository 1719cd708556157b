"""The power page of a site: one HTML file that needs nothing else. Planned, allocated and measured, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gridmill.compare.measured import MeasuredSum, NodeReading, findings, measured_sum
from gridmill.compare.metered import MeterReadings, meter_findings
from gridmill.core.units import kilowatts
from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.site_plan import HostPlan, PodPlan, SitePlan
from gridmill.power.report import PowerReport
from gridmill.report.figures import Figure, margin_state, share
from gridmill.report.one_line import one_line
from gridmill.report.power_meters import measured_cell, metered_phases
from gridmill.report.rendering import page

OPEN_NODES = 100
"""Machines up to which a pod's table of machines stands open."""

Readings = Mapping[str, NodeReading] | None
Cell = tuple[Figure, ...]


@dataclass(frozen=True)
class Finding:
    """Something that is not as planned."""

    name: str
    kind: str
    text: str


@dataclass(frozen=True)
class Level:
    """Something that carries power: a meter, a feed, a pod, a rack, a PDU."""

    name: str
    depth: int
    nameplate_w: int | None
    allocated_w: int
    limit_w: int | None
    measured: Cell

    @property
    def margin_w(self) -> int | None:
        """What is left of the limit."""
        return None if self.limit_w is None else self.limit_w - self.allocated_w

    @property
    def state(self) -> str:
        """`good`, `tight` or `over`; empty without a limit."""
        return "" if self.limit_w is None else margin_state(self.allocated_w, self.limit_w)

    @property
    def percent(self) -> int:
        """How much of the limit is allocated."""
        return 0 if self.limit_w is None else round(100 * share(self.allocated_w, self.limit_w))


@dataclass(frozen=True)
class Machine:
    """A row of a pod's table of machines."""

    host: HostPlan
    whole: Cell
    gpus: Cell
    limits: Cell
    remark: str
    kind: str


@dataclass(frozen=True)
class PodMachines:
    """A pod's table of machines."""

    key: str
    machines: tuple[Machine, ...]
    is_open: bool


def power_page(
    plan: SitePlan,
    report: PowerReport,
    readings: Readings = None,
    measured_at: str = "",
    meters: MeterReadings | None = None,
) -> str:
    """The page as an HTML document. Without `readings` no machine was asked, and the page says so."""
    return page(
        "power.html.j2",
        plan=plan,
        asked=readings is not None,
        measured_at=measured_at,
        tiles=_tiles(plan, report, readings, meters),
        findings=list(_findings(plan, readings, meters)),
        levels=list(_levels(plan, readings, meters)),
        phases=metered_phases(plan, meters),
        losses=report.losses,
        drawing=one_line(plan, report),
        pods=[
            PodMachines(
                pod.key, tuple(_machine(host, readings) for host in pod.hosts), is_open=len(pod.hosts) <= OPEN_NODES
            )
            for pod in plan.pods
        ],
    )


def _tiles(
    plan: SitePlan, report: PowerReport, readings: Readings, meters: MeterReadings | None
) -> list[tuple[str, Cell]]:
    meter = plan.levels.meter
    caps = ", ".join(f"{group} {watts} W" for group, watts in report.gpu_caps_w.items()) or "none"
    tiles = [
        ("allocated at the meter", (Figure(kilowatts(meter.planned_w)), Figure(f"of {kilowatts(meter.limit_w)}"))),
        ("margin at the meter", (Figure(kilowatts(meter.margin_w)),)),
        ("measured at the meter", measured_cell(plan, meters)),
        ("measured, IT load", _measured_sum(plan, readings, lambda _: True) or (Figure("-"),)),
        ("power limit per GPU", (Figure(caps),)),
    ]
    return [(name, cell) for name, cell in tiles if cell]


def _measured_sum(plan: SitePlan, readings: Readings, keep: Callable[[HostPlan], bool]) -> Cell:
    """What machines draw together: all of each, or their GPUs where no sensor tells more."""
    if readings is None:
        return ()
    found = measured_sum(plan, readings, keep)
    text = _measured(found)
    simulated = any(host.simulated and host.name in readings for host in plan.hosts if keep(host))
    lacking = f"without {found.silent} of {found.nodes}" if found.silent else ""
    if not text:
        return (Figure("-", lacking=lacking),) if lacking else ()
    return (Figure(text, lacking=lacking, simulated=simulated),)


def _measured(found: MeasuredSum) -> str:
    if found.nodes_w is not None:
        return kilowatts(round(found.nodes_w))
    return f"GPUs {kilowatts(round(found.gpus_w))}" if found.gpus_w is not None else ""


def _findings(plan: SitePlan, readings: Readings, meters: MeterReadings | None) -> Iterable[Finding]:
    if meters:
        metered = meter_findings(plan, meters, readings)
        for kind, items in (("bad", metered.problems), ("note", metered.notes)):
            yield from (Finding(name, kind, text) for name, text in items)
    for host in plan.hosts:
        reading = (readings or {}).get(host.name)
        if reading is None:
            continue
        found = findings(host, reading)
        yield from (Finding(host.name, "bad", text) for text in found.problems)
        yield from (Finding(host.name, "note", text) for text in found.notes)
        if reading.complaint:
            yield Finding(host.name, "bad", f"did not answer: {reading.complaint}")


def _levels(plan: SitePlan, readings: Readings, meters: MeterReadings | None) -> Iterable[Level]:
    """Meter, feeds, pods, racks, PDUs with a meter."""
    levels = plan.levels
    yield Level(
        f"Meter (IT load x PUE {plan.pue:g})",
        0,
        int(plan.power.nameplate_w * plan.pue),
        levels.meter.planned_w,
        levels.meter.limit_w,
        measured_cell(plan, meters) or ((Figure("no meter"),) if readings is not None else ()),
    )
    for key, level in levels.feeds.items():
        situation = f", {level.situation}" if level.situation else ""
        measured = measured_cell(plan, meters, feed=key)
        yield Level(f"Feed {key}{situation}", 1, None, level.planned_w, level.limit_w, measured)
    for pod in plan.pods:
        told = _measured_sum(plan, readings, lambda host, key=pod.key: host.pod == key)  # type: ignore[misc]
        measured = measured_cell(plan, meters, pod=pod.key) + told
        power = pod.power
        yield Level(f"Pod {pod.key}", 1, power.nameplate_w, power.allocated_w, power.budget_w, measured)
        yield from _racks(plan, pod, readings, meters)


def _racks(plan: SitePlan, pod: PodPlan, readings: Readings, meters: MeterReadings | None) -> Iterable[Level]:
    for rack in dict.fromkeys(host.rack for host in pod.hosts):
        inside = [host.draw for host in pod.hosts if host.rack == rack]
        others = sum(item.nameplate_w for item in pod.equipment if item.rack == rack)
        told = _measured_sum(plan, readings, lambda host, rack=rack: (host.pod, host.rack) == (pod.key, rack))  # type: ignore[misc]
        nameplate = sum(draw.nameplate_w for draw in inside) + others
        allocated = sum(draw.allocated_w for draw in inside) + others
        measured = measured_cell(plan, meters, pod.key, rack) + told
        yield Level(f"Rack {pod.key}/{rack}", 2, nameplate, allocated, None, measured)
        for meter in plan.of(MetersPlan).meters:
            if (meter.pod, meter.rack) == (pod.key, rack):
                cell = measured_cell(plan, meters, pod.key, rack, meter.feed)
                name = f"PDU {pod.key}/{rack}/{meter.feed}"
                yield Level(name, 3, meter.nameplate_w, meter.allocated_w, meter.limit_w, cell)


def _machine(host: HostPlan, readings: Readings) -> Machine:
    asked = host.name in (readings or {})
    reading = (readings or {}).get(host.name, NodeReading())
    whole = [Figure("no sensor")] if asked and not reading.complaint else []
    if reading.node_w is not None:
        whole = [Figure(kilowatts(round(reading.node_w)), simulated=host.simulated), Figure(reading.node_source)]
    if reading.cpu_w is not None:
        whole.append(Figure(f"processors {kilowatts(round(reading.cpu_w))}", simulated=host.simulated))
    gpus = reading.gpus_w
    found = findings(host, reading) if asked else None
    remark = f"maintenance: {host.maintenance}" if host.maintenance is not None else ""
    remark = f"did not answer: {reading.complaint}" if reading.complaint else remark
    if found and (found.problems or found.notes):
        remark = "not as planned, see above"
    return Machine(
        host=host,
        whole=tuple(whole),
        gpus=(Figure(kilowatts(round(gpus)), simulated=host.simulated),) if gpus is not None else (),
        limits=tuple(_gpu_limits(host, reading)),
        remark=remark,
        kind="bad" if reading.complaint or (found and found.problems) else "note",
    )


def _gpu_limits(host: HostPlan, reading: NodeReading) -> Iterable[Figure]:
    if host.gpu is None:
        return
    planned = f"{host.gpu.cap_w} W" if host.gpu.cap_w is not None else f"default, {host.gpu.power_default_w} W"
    yield Figure(planned)
    limits = [f"{gpu.limit_w:g} W" if gpu.limit_w is not None else "unknown" for gpu in reading.gpus]
    if counted := ", ".join(f"{limits.count(text)} x {text}" for text in sorted(set(limits))):
        yield Figure(counted, simulated=host.simulated)
