"""Power for people: a site's limits and losses, and the answer to a what-if."""

from __future__ import annotations

from typing import Any

from gridmill.core.units import kilowatts
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.features.slurm.watts import WattsPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.power.report import PowerReport
from gridmill.report.draw import draw_report
from gridmill.report.tables import columns


def power_table(plan: SitePlan, report: PowerReport) -> str:
    """Draw, caps, every limit with its margin, and what each loss costs."""
    found = draw_report(plan)
    draw = [
        ("", "IDLE", "TYPICAL", "ALLOCATED", "NAMEPLATE"),
        ("IT load", *map(kilowatts, found["it"].values())),
        (f"at the meter (PUE {plan.pue:g})", *map(kilowatts, found["meter"].values())),
    ]
    limits = [("LIMIT", "WORST SITUATION", "CARRIES", "LIMIT", "MARGIN")]
    limits += [
        (row.element, row.situation, kilowatts(row.carries_w), kilowatts(row.limit_w), kilowatts(row.margin_w))
        for row in report.limits
    ]
    lines = [f"Site {plan.name}" + (", simulated" if plan.simulated else ""), "", *columns(draw), ""]
    if equipment := sum(item.nameplate_w for pod in plan.pods for item in pod.equipment):
        lines += [f"of the nameplate, switches and other equipment: {kilowatts(equipment)}", ""]
    if report.gpu_caps_w:
        shown = ", ".join(f"{group} {watts} W" for group, watts in report.gpu_caps_w.items())
        lines += [f"power limit per GPU: {shown}", ""]
    if watts := plan.of(SlurmPlan).watts:
        lines += [f"Slurm holds the site: {watts_text(watts, plan.pue)}", ""]
    lines += columns(limits)
    if report.losses:
        losses = [("LOSS", "SURVIVE", "SURVIVE AT CAP", "LOST", "CAP PER GPU THEN")]
        losses += [
            (
                row.situation,
                str(row.survive),
                str(row.survive_at_cap),
                str(row.lost),
                f"{row.gpu_cap_w} W" if row.gpu_cap_w is not None else "-",
            )
            for row in report.losses
        ]
        lines += ["", *columns(losses)]
    return "\n".join(lines)


def watts_text(watts: WattsPlan, pue: float) -> str:
    """What jobs may draw together, and where it comes from."""
    return (
        f"jobs may draw {kilowatts(watts.total_w)} above idle together"
        f" = {watts.limit} {kilowatts(watts.meter_limit_w)} / PUE {pue:g} - {kilowatts(watts.base_w)} without any job"
    )


def size_table(answer: dict[str, Any]) -> str:
    """The answer of `gridmill size`."""
    power, racks, n1 = answer["power"], answer["racks"], answer["power"]["n1"]
    rows = [
        ("", "IT", f"METER (PUE {power['pue']:g})"),
        ("idle", f"{power['idle']['it_kw']:g} kW", f"{power['idle']['grid_kw']:g} kW"),
        ("typical", f"{power['typical']['it_kw']:g} kW", f"{power['typical']['grid_kw']:g} kW"),
        ("nameplate", f"{power['it_kw']:g} kW", f"{power['grid_kw']:g} kW"),
    ]
    lines = [
        f"{answer['nodes']} x {answer['system']}, {answer['gpus']} GPUs, in {_racks_text(racks)};"
        " nothing but these systems is counted",
        *columns(rows),
    ]
    if not racks["fits_cooling"]:
        lines.append(
            f"no rack can cool one of them: {racks['rack_air_kw']:g} kW go into the air,"
            f" {racks['cooling_kw']:g} kW can be taken from it (--rack-cooling)"
        )
    if power["limit_kw"] is not None:
        state = "fits uncapped" if power["fits_uncapped"] else f"{power['nodes_that_fit_uncapped']} nodes fit uncapped"
        lines.append(f"{_meter_text(power)}: {state}")
    if answer["gpus"] and power["limit_kw"] is not None:
        cap = power["gpu_cap_w"]
        lines.append(f"power limit that fits: {cap} W per GPU" if cap is not None else "no power limit makes it fit")
    if not n1["known"]:
        lines.append(f"N-1 with {n1['feeds']} feeds: not known, as no power supplies of {answer['system']} are")
    elif n1["lost"]:
        lines.append(f"N-1 with {n1['feeds']} feeds: the systems are off when one is lost")
    elif n1["survives_uncapped"]:
        lines.append(f"N-1 with {n1['feeds']} feeds: survives at full power")
    elif n1["survives"]:
        lines.append(
            f"N-1 with {n1['feeds']} feeds: survives at {n1['gpu_cap_w']} W per GPU, {n1['cost_kw']:g} kW less"
        )
    return "\n".join(lines)


def _racks_text(racks: dict[str, Any]) -> str:
    """`6 racks of 3 (30.6 kW)`, and what of it goes into the air where liquid takes the rest."""
    air = f", {racks['rack_air_kw']:g} kW of it into the air" if racks["rack_air_kw"] != racks["rack_kw"] else ""
    count = f"{racks['count']} rack{'s' if racks['count'] > 1 else ''}"
    return f"{count} of {racks['nodes_per_rack']} ({racks['rack_kw']:g} kW{air})"


def _meter_text(power: dict[str, Any]) -> str:
    """What may be drawn at the meter, and where it comes from."""
    parts = []
    if power["connection_kw"] is not None:
        factors = f"power factor {power['power_factor']:g}, design margin {power['design_margin']:g}"
        parts.append(f"connection {power['connection_kw']:g} kW ({power['connection']}, {factors})")
    if power["contract_kw"] is not None:
        parts.append(f"contract {power['contract_kw']:g} kW")
    return ", ".join(parts)
