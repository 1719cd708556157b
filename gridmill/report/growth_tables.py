"""Growth and the power-on sequence for people."""

from __future__ import annotations

from gridmill.core.units import kilowatts
from gridmill.power.contract import way_out
from gridmill.power.growth import GrowthReport
from gridmill.power.sequence import Sequence, folded
from gridmill.report.tables import columns

_LONGEST = 60
"""Characters of a list of names in a table."""


def growth_table(site: str, report: GrowthReport) -> str:
    """Stages, load by year, and what is contracted and not used."""
    stages = [("FROM", "COMING", "NODES", "GPUS", "IT", "METER", "NAMEPLATE", "CONTRACT", "LIMIT", "SHARE")]
    stages += [
        (
            stage.date or "stands",
            ",".join(stage.coming) or "-",
            str(stage.nodes),
            str(stage.gpus),
            kilowatts(stage.it_allocated_w),
            kilowatts(stage.meter_allocated_w),
            kilowatts(stage.meter_nameplate_w),
            _kilowatts(stage.contract_w),
            kilowatts(stage.limit_w),
            f"{stage.share:.0%}",
        )
        for stage in report.stages
    ]
    years = [("YEAR", "TYPICAL", "ALLOCATED", "NAMEPLATE", "CONTRACT")]
    years += [
        (
            str(year.year),
            kilowatts(year.typical_w),
            kilowatts(year.allocated_w),
            kilowatts(year.nameplate_w),
            _kilowatts(year.contract_w),
        )
        for year in report.years
    ]
    lines = [
        f"Growth of {site}",
        "",
        *columns(stages),
        "",
        "highest load at the meter, by calendar year",
        *columns(years),
    ]
    waits = [stage for stage in report.stages if stage.meter_at_work_w > stage.meter_allocated_w]
    if waits:
        when = ", ".join(f"{kilowatts(stage.meter_at_work_w)} ({stage.date or 'stands'})" for stage in waits)
        lines += ["", f"Slurm holds the site to its limit; all nodes at work would draw {when}, so jobs wait"]
    for item in report.unused:
        lines += [
            "",
            f"at risk from {item.at_risk_from}: {kilowatts(item.unused_w)} of {kilowatts(item.contract_w)} contracted"
            f" from {item.since} on, {item.share:.0%} used: {item.why}",
            f"    fix: {way_out(item)}",
        ]
    return "\n".join(lines)


def _kilowatts(watts: int | None) -> str:
    return kilowatts(watts) if watts is not None else "-"


def sequence_table(site: str, sequence: Sequence) -> str:
    """What is switched on in which minute."""
    rows = [("MINUTE", "WHAT", "MACHINES", "STEP", "TOTAL")]
    rows += [
        (str(minute.minute), minute.what, _short(folded(minute)), kilowatts(minute.step_w), kilowatts(minute.total_w))
        for minute in sequence.minutes
    ]
    rate = f"Slurm's ResumeRate: {sequence.resume_rate} nodes a minute" if sequence.resume_rate else ""
    notes = [f"note: {note}" for note in sequence.notes]
    head = f"Power on {site}, at most {kilowatts(sequence.ramp_w)} a minute at the meter"
    return "\n".join([head, "", *columns(rows), "", *([rate] if rate else []), *notes])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
