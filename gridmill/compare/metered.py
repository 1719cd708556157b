"""What meters say beside the plan and beside the machines: limits that are passed, and readings that disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gridmill.compare.measured import MeasuredSum, NodeReading, measured_sum
from gridmill.core.units import kilowatts
from gridmill.features.meters.plan import MeterPlan, MetersPlan
from gridmill.kernel.site_plan import SitePlan

TOLERANCE = 0.05
"""Share by which two readings of the same power may differ. Meters of class 1 (IEC 62053-21) are 1 % wrong, rack PDUs
about as much, sensors of machines a few percent (unverified), and nobody reads at the same moment."""

SMALLEST_W = 100
"""Difference in W that is never told: what a few switches and fans do within a second."""

NEAR = 0.05
"""Share of the contract or connection below which what is left at the main meter is told by `gridmill status`."""


@dataclass(frozen=True)
class MeterReading:
    """What one meter says. Nothing but a complaint when it could not be asked."""

    power_w: float | None = None
    phase_power_w: tuple[float, ...] = ()
    phase_current_a: tuple[float, ...] = ()
    complaint: str = ""


MeterReadings = Mapping[str, MeterReading]
"""By key of the meter."""


@dataclass(frozen=True)
class MeterFindings:
    """What is not as planned, each with the name of what it is about."""

    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    """What is to be known, and no problem by itself: a meter that does not answer, among others."""


def meter_findings(
    plan: SitePlan, readings: MeterReadings, machines: Mapping[str, NodeReading] | None = None
) -> MeterFindings:
    """Limits, and sums that must agree: machines with PDUs, PDUs with the main meter."""
    problems: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    for meter in plan.of(MetersPlan).meters:
        reading = readings.get(meter.key, MeterReading(complaint="not asked"))
        if reading.complaint:
            notes.append((meter.name, f"its meter did not answer: {reading.complaint}"))
            continue
        problems += [(meter.name, text) for text in _over(meter, reading)]
        notes += [(meter.name, text) for text in _more_than_allocated(meter, reading)]
    problems += _feeds(plan, readings)
    problems += _racks(plan, readings, machines or {})
    problems += _site(plan, readings)
    notes += _usage(plan, readings)
    return MeterFindings(tuple(problems), tuple(notes))


def _over(meter: MeterPlan, reading: MeterReading) -> Iterator[str]:
    power, limit = reading.power_w, meter.limit_w
    if power is not None and limit is not None and power > limit:
        yield f"draws {_kw(power)}, {_kw(power - limit)} over its limit, {kilowatts(limit)}"
    for number, watts in enumerate(reading.phase_power_w, start=1):
        if meter.phase_limit_w is not None and watts > meter.phase_limit_w:
            yield f"phase L{number} carries {_kw(watts)}, planned at most {kilowatts(meter.phase_limit_w)}"
    phases = sum(reading.phase_power_w)
    if power is not None and reading.phase_power_w and _apart(power, phases):
        yield f"tells {_kw(power)}, and {_kw(phases)} for its phases together: is a current transformer the wrong way?"


def _more_than_allocated(meter: MeterPlan, reading: MeterReading) -> Iterator[str]:
    """More than planned in normal operation, and below what may be planned there."""
    power = reading.power_w
    if power is None or power <= meter.allocated_w or (meter.limit_w is not None and power > meter.limit_w):
        return
    why = "" if meter.main else ": is another feed lost?"
    yield f"draws {_kw(power)}, allocated {kilowatts(meter.allocated_w)}{why}"


def near_the_limit(plan: SitePlan, readings: MeterReadings) -> list[str]:
    """What the status says of the main meter: more than allocated, or hardly anything left of what was contracted."""
    warnings = []
    for meter in plan.of(MetersPlan).meters:
        reading = readings.get(meter.key)
        if not meter.main or reading is None or reading.power_w is None or meter.limit_w is None:
            continue
        power, mark = reading.power_w, " (simulated)" if meter.simulated else ""
        if power > meter.allocated_w:
            warnings.append(f"the main meter tells {_kw(power)}{mark}, allocated {kilowatts(meter.allocated_w)}")
        if power > (1 - NEAR) * meter.limit_w:
            left = f"{_kw(meter.limit_w - power)} left of" if power <= meter.limit_w else "over"
            warnings.append(f"the main meter tells {_kw(power)}{mark}, {left} {kilowatts(meter.limit_w)}")
    return warnings


def silent(plan: SitePlan, readings: MeterReadings) -> list[str]:
    """Meters that did not answer, and why."""
    return [
        f"the meter {meter.key} ({meter.name}) did not answer: {readings[meter.key].complaint}"
        for meter in plan.of(MetersPlan).meters
        if meter.key in readings and readings[meter.key].complaint
    ]


def metered_w(
    plan: SitePlan, readings: MeterReadings, *, pod: str = "", rack: str = "", feed: str = ""
) -> float | None:
    """What the PDUs of a rack, a pod or a feed draw together; None unless every PDU there that carries something told
    it."""
    wanted = {
        f"{place}/{key}"
        for place, feeds in plan.of(MetersPlan).pdus.items()
        if (not pod or place.startswith(f"{pod}/")) and (not rack or place == f"{pod}/{rack}")
        for key in feeds
        if not feed or key == feed
    }
    found = {
        f"{meter.pod}/{meter.rack}/{meter.feed}": reading.power_w
        for meter in plan.of(MetersPlan).meters
        if meter.pod and (reading := readings.get(meter.key)) and reading.power_w is not None
    }
    return sum(found[place] for place in wanted) if wanted and wanted <= found.keys() else None


def _feeds(plan: SitePlan, readings: MeterReadings) -> Iterator[tuple[str, str]]:
    """A feed's own meter beside its PDUs; a feed without a meter over its limit."""
    own = {meter.feed: readings.get(meter.key) for meter in plan.of(MetersPlan).meters if meter.feed and not meter.pod}
    for feed in sorted({feed for feeds in plan.of(MetersPlan).pdus.values() for feed in feeds}):
        pdus, reading = metered_w(plan, readings, feed=feed), own.get(feed)
        if pdus is None:
            continue
        if reading and reading.power_w is not None:
            if reading.power_w < pdus and _apart(reading.power_w, pdus):
                yield f"feed {feed}", f"its meter tells {_kw(reading.power_w)}, its PDUs {_kw(pdus)} together"
        elif feed in plan.of(MetersPlan).feed_limits_w and pdus > plan.of(MetersPlan).feed_limits_w[feed]:
            limit = plan.of(MetersPlan).feed_limits_w[feed]
            yield f"feed {feed}", f"its PDUs draw {_kw(pdus)}, {_kw(pdus - limit)} over its limit, {kilowatts(limit)}"


def _racks(plan: SitePlan, readings: MeterReadings, machines: Mapping[str, NodeReading]) -> Iterator[tuple[str, str]]:
    """Machines beside the PDUs that feed them."""
    if not machines:
        return
    for pod in plan.pods:
        for rack in dict.fromkeys(host.rack for host in pod.hosts):
            pdus = metered_w(plan, readings, pod=pod.key, rack=rack)
            inside = {host.name for host in pod.hosts if host.rack == rack}
            found = measured_sum(plan, machines, lambda host, inside=inside: host.name in inside)  # type: ignore[misc]
            others = sum(item.nameplate_w for item in pod.equipment if item.rack == rack)
            if pdus is not None and (text := _disagree(found, pdus, others)):
                yield f"{pod.key}/{rack}", text


def _disagree(found: MeasuredSum, pdus: float, others: int) -> str:
    """Why machines and PDUs can't both be right; empty when they can."""
    least, what = (found.nodes_w, "machines") if found.nodes_w is not None else (found.gpus_w, "GPUs alone")
    if least is not None and least > pdus and _apart(least, pdus):
        return f"its {what} tell {_kw(least)}, its PDUs {_kw(pdus)}: one of them is wrong, or a cord hangs elsewhere"
    if found.nodes_w is not None and pdus > found.nodes_w + others and _apart(pdus, found.nodes_w + others):
        rest = f" and {kilowatts(others)} of equipment" if others else ""
        return f"its PDUs tell {_kw(pdus)}, its machines {_kw(found.nodes_w)}{rest}: something else hangs on them"
    return ""


def _main(plan: SitePlan, readings: MeterReadings) -> float | None:
    keys = [meter.key for meter in plan.of(MetersPlan).meters if meter.main]
    return readings[keys[0]].power_w if keys and keys[0] in readings else None


def _site(plan: SitePlan, readings: MeterReadings) -> Iterator[tuple[str, str]]:
    """The PDUs beside the main meter."""
    main, pdus = _main(plan, readings), metered_w(plan, readings)
    if main is not None and pdus is not None and main < pdus and _apart(main, pdus):
        text = f"tells {_kw(main)}, the PDUs {_kw(pdus)} together: is the ratio of its current transformers right?"
        yield "the main meter", text


def _usage(plan: SitePlan, readings: MeterReadings) -> Iterator[tuple[str, str]]:
    """Power that the planned PUE does not explain."""
    main, pdus = _main(plan, readings), metered_w(plan, readings)
    if main is not None and pdus and main > pdus * plan.pue and _apart(main, pdus * plan.pue):
        yield "the main meter", f"tells {_kw(main)}, {main / pdus:.2f} times the PDUs, planned PUE {plan.pue:g}"


def _apart(one: float, other: float) -> bool:
    """Whether two readings of the same power differ by more than meters do."""
    return abs(one - other) > max(SMALLEST_W, TOLERANCE * max(one, other))


def _kw(watts: float) -> str:
    return kilowatts(round(watts))
