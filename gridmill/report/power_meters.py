"""What meters say, for people: a table for the terminal, cells and sections for the power page."""

from __future__ import annotations

from html import escape

from gridmill.compare.metered import MeterFindings, MeterReading, MeterReadings, metered_w
from gridmill.core.units import kilowatts
from gridmill.features.meters.plan import MeterPlan, MetersPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.report.tables import columns

SIMULATED = '<span class="sim">simulated</span>'


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


def measured_cell(plan: SitePlan, readings: MeterReadings | None, pod: str = "", rack: str = "", feed: str = "") -> str:
    """What the level's own meter tells, or its PDUs together; empty where nothing does."""
    if readings is None:
        return ""
    for meter in plan.of(MetersPlan).meters:
        if (meter.pod, meter.rack, meter.feed) == (pod, rack, feed):
            return _reading(meter, readings.get(meter.key, MeterReading(complaint="not asked")))
    watts = metered_w(plan, readings, pod=pod, rack=rack, feed=feed) if pod or feed else None
    if watts is None:
        return ""
    simulated = any(meter.simulated for meter in plan.of(MetersPlan).meters if meter.pod)
    return f"PDUs {kilowatts(round(watts))}{_mark(simulated=simulated)}"


def _reading(meter: MeterPlan, reading: MeterReading) -> str:
    if reading.power_w is None:
        return '<span class="note">did not answer</span>'
    limit = meter.limit_w
    over = limit is not None and reading.power_w > limit
    text = f"{kilowatts(round(reading.power_w))}{_mark(simulated=meter.simulated)}"
    if limit is None:
        return text
    left = kilowatts(round(abs(limit - reading.power_w)))
    return f'{text}<br><span class="{"bad" if over else ""}">{left} {"over" if over else "left"}</span>'


def phases(plan: SitePlan, readings: MeterReadings | None) -> str:
    """A table of phases beside their limits; empty without readings."""
    rows = [
        f"<tr><td>{escape(meter.name[:1].upper() + meter.name[1:])}</td>"
        + "".join(f'<td class="n">{_phase(meter, reading, number)}</td>' for number in range(3))
        + f'<td class="n">{kilowatts(meter.phase_limit_w) if meter.phase_limit_w is not None else "-"}</td></tr>'
        for meter in plan.of(MetersPlan).meters
        if (reading := (readings or {}).get(meter.key)) and reading.phase_power_w
    ]
    if not rows:
        return ""
    heads = "<th>Meter of</th>" + "".join(f'<th class="n">{head}</th>' for head in ("L1", "L2", "L3", "Limit"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _phase(meter: MeterPlan, reading: MeterReading, number: int) -> str:
    if number >= len(reading.phase_power_w):
        return "-"
    watts = reading.phase_power_w[number]
    over = meter.phase_limit_w is not None and watts > meter.phase_limit_w
    current = f", {reading.phase_current_a[number]:.1f} A" if number < len(reading.phase_current_a) else ""
    text = f"{kilowatts(round(watts))}{current}{_mark(simulated=meter.simulated)}"
    return f'<span class="bad">{text}</span>' if over else text


def findings_rows(found: MeterFindings) -> list[str]:
    """Rows of the page's list of what is not as planned."""
    kinds = (("bad", found.problems), ("note", found.notes))
    return [
        f'<tr><td>{escape(name)}</td><td class="{kind}">{escape(text)}</td></tr>'
        for kind, items in kinds
        for name, text in items
    ]


def _mark(*, simulated: bool) -> str:
    return f" {SIMULATED}" if simulated else ""
