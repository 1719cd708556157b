"""What meters say, for people: a table for the terminal, cells for the power page."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.compare.metered import MeterFindings, MeterReading, MeterReadings, metered_w
from gridmill.core.units import kilowatts
from gridmill.features.meters.plan import MeterPlan, MetersPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.report.figures import Figure
from gridmill.report.tables import columns

PHASES = 3


def meters_table(plan: SitePlan, readings: MeterReadings, found: MeterFindings) -> str:
    """Levels with a meter: planned, allocated, limit, measured, what is left; and what is not as planned."""
    rows: list[tuple[str, ...]] = [("METER OF", "PLANNED", "ALLOCATED", "LIMIT", "MEASURED", "LEFT", "L1, L2, L3")]
    for meter in plan.of(MetersPlan).meters:
        reading = readings.get(meter.key, MeterReading())
        mark = " (simulated)" if meter.simulated else ""
        phases = ", ".join(
            f"{kilowatts(round(watts))} {amperes:.1f} A"
            for watts, amperes in zip(reading.phase_power_w, reading.phase_current_a, strict=False)
        )
        rows.append(
            (
                meter.name + mark,
                kilowatts(meter.nameplate_w),
                kilowatts(meter.allocated_w),
                kilowatts(meter.limit_w) if meter.limit_w is not None else "-",
                kilowatts(round(reading.power_w)) if reading.power_w is not None else "-",
                _left(meter, reading),
                phases or "-",
            )
        )
    for feed in _feeds_without_meter(plan):
        if (watts := metered_w(plan, readings, feed=feed)) is not None:
            limit = plan.of(MetersPlan).feed_limits_w.get(feed)
            name, left = f"feed {feed}, its PDUs together", limit - watts if limit is not None else None
            cells = (kilowatts(limit) if limit is not None else "-", kilowatts(round(watts)))
            rows.append((name, "-", "-", *cells, kilowatts(round(left)) if left is not None else "-", "-"))
    lines = [f"{name}: {text}" for name, text in (*found.problems, *found.notes)]
    return "\n".join([*columns(rows), *(["", *lines] if lines else [])])


def _left(meter: MeterPlan, reading: MeterReading) -> str:
    if reading.power_w is None or meter.limit_w is None:
        return "-"
    return kilowatts(round(meter.limit_w - reading.power_w))


def _feeds_without_meter(plan: SitePlan) -> list[str]:
    own = {meter.feed for meter in plan.of(MetersPlan).meters if not meter.pod}
    return sorted({feed for feeds in plan.of(MetersPlan).pdus.values() for feed in feeds} - own)


def measured_cell(
    plan: SitePlan, readings: MeterReadings | None, pod: str = "", rack: str = "", feed: str = ""
) -> tuple[Figure, ...]:
    """What the level's own meter tells, or its PDUs together; empty where nothing does."""
    if readings is None:
        return ()
    for meter in plan.of(MetersPlan).meters:
        if (meter.pod, meter.rack, meter.feed) == (pod, rack, feed):
            return _reading(meter, readings.get(meter.key, MeterReading(complaint="not asked")))
    watts = metered_w(plan, readings, pod=pod, rack=rack, feed=feed) if pod or feed else None
    if watts is None:
        return ()
    simulated = any(meter.simulated for meter in plan.of(MetersPlan).meters if meter.pod)
    return (Figure(f"PDUs {kilowatts(round(watts))}", simulated=simulated),)


def _reading(meter: MeterPlan, reading: MeterReading) -> tuple[Figure, ...]:
    if reading.power_w is None:
        return (Figure("did not answer", "note"),)
    limit = meter.limit_w
    measured = Figure(kilowatts(round(reading.power_w)), simulated=meter.simulated)
    if limit is None:
        return (measured,)
    over = reading.power_w > limit
    left = kilowatts(round(abs(limit - reading.power_w)))
    return (measured, Figure(f"{left} {'over' if over else 'left'}", "bad" if over else ""))


@dataclass(frozen=True)
class MeteredPhases:
    """A meter's phases beside their limit."""

    name: str
    phases: tuple[tuple[Figure, ...], ...]
    limit_w: int | None


def metered_phases(plan: SitePlan, readings: MeterReadings | None) -> list[MeteredPhases]:
    """Of each meter that told its phases."""
    return [
        MeteredPhases(
            meter.name[:1].upper() + meter.name[1:],
            tuple(_phase(meter, reading, number) for number in range(PHASES)),
            meter.phase_limit_w,
        )
        for meter in plan.of(MetersPlan).meters
        if (reading := (readings or {}).get(meter.key)) and reading.phase_power_w
    ]


def _phase(meter: MeterPlan, reading: MeterReading, number: int) -> tuple[Figure, ...]:
    if number >= len(reading.phase_power_w):
        return ()
    watts = reading.phase_power_w[number]
    over = meter.phase_limit_w is not None and watts > meter.phase_limit_w
    current = f", {reading.phase_current_a[number]:.1f} A" if number < len(reading.phase_current_a) else ""
    return (Figure(f"{kilowatts(round(watts))}{current}", "bad" if over else "", simulated=meter.simulated),)
