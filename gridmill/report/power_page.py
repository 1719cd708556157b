"""The power page of a site: one HTML file that needs nothing else. Planned, allocated and measured, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from html import escape

from gridmill.compare.measured import MeasuredSum, NodeReading, findings, measured_sum
from gridmill.compare.metered import MeterReadings, meter_findings
from gridmill.core.units import kilowatts
from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.site_plan import HostPlan, PodPlan, SitePlan
from gridmill.power.report import PowerReport
from gridmill.report.one_line import TIGHT, one_line_svg
from gridmill.report.power_meters import SIMULATED, findings_rows, measured_cell, phases

OPEN_NODES = 100
"""Machines up to which a pod's table of machines stands open."""

STYLE = """
:root{--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--good:#1b7f4b;--tight:#b26a00;--over:#b3261e}
*{box-sizing:border-box}
body{margin:0;background:#f5f7f9;color:var(--ink);font:14px/1.45 system-ui,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px}
h1{font-size:22px;margin:0}h2{font-size:16px;margin:28px 0 8px}
p{margin:4px 0;color:var(--soft)}
.card{background:#fff;border:1px solid var(--line);border-radius:8px;padding:12px 16px;overflow-x:auto}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px;margin-top:16px}
.tiles b{display:block;font-size:20px}.tiles span{color:var(--soft)}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:1px solid var(--line);padding:4px 8px}
td{padding:5px 8px;border-bottom:1px solid #eef1f4;vertical-align:top}
td:first-child{white-space:nowrap}.n{text-align:right;white-space:nowrap}.indent{padding-left:24px}.deep{padding-left:40px}.deeper{padding-left:56px}
.bar{display:block;width:110px;height:7px;background:#e6eaee;border-radius:4px;overflow:hidden;margin:3px 0 0 auto}
.bar i{display:block;height:7px}
.good{background:var(--good)}.tight{background:var(--tight)}.over{background:var(--over)}
.sim{background:#fff3d6;color:#6b4e00;border-radius:4px;padding:0 5px;font-size:11px;white-space:nowrap}
.bad{color:var(--over);font-weight:600}.note{color:var(--tight)}
details summary{cursor:pointer;padding:4px 0;font-weight:600}
svg{display:block;margin:0 auto;max-width:100%;height:auto}
"""

Readings = Mapping[str, NodeReading] | None


def power_page(
    plan: SitePlan,
    report: PowerReport,
    readings: Readings = None,
    measured_at: str = "",
    meters: MeterReadings | None = None,
) -> str:
    """The page as an HTML document. Without `readings` no machine was asked, and the page says so."""
    title = f"Power of {plan.name}"
    mark = f" {SIMULATED}" if plan.simulated else ""
    when = f"Measured {escape(measured_at)}" if readings is not None else "Not measured: no machine was asked"
    sections = [
        f"<h1>{escape(title)}{mark}</h1>",
        f"<p>{when}. Planned is the sum of nameplates, allocated what the power limits in force guarantee.</p>",
        _tiles(plan, report, readings, meters),
        _section("Not as planned", _findings(plan, readings, meters)),
        _section("Levels", _levels(plan, readings, meters)),
        _section("Phases", phases(plan, meters)),
        _section("What a loss means", _losses(report)),
        _section("One-line diagram, with the least margin of each limit", one_line_svg(plan, report)),
        *(_section(f"Machines of {pod.key}", _machines(pod, readings)) for pod in plan.pods),
    ]
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    return f"{head}{view}<style>{STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"


def _section(title: str, body: str) -> str:
    return f'<h2>{escape(title)}</h2><div class="card">{body}</div>' if body else ""


def _tiles(plan: SitePlan, report: PowerReport, readings: Readings, meters: MeterReadings | None) -> str:
    meter = plan.levels.meter
    caps = ", ".join(f"{group} {watts} W" for group, watts in report.gpu_caps_w.items()) or "none"
    measured = _sum_text(plan, readings, lambda _: True)
    tiles = [
        ("allocated at the meter", f"{kilowatts(meter.planned_w)} of {kilowatts(meter.limit_w)}"),
        ("margin at the meter", kilowatts(meter.margin_w)),
        *([("measured at the meter", main)] if (main := measured_cell(plan, meters)) else []),
        ("measured, IT load", measured),
        ("power limit per GPU", escape(caps)),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="card"><span>{name}</span><b>{text}</b></div>' for name, text in tiles)
        + "</div>"
    )


def _sum_text(plan: SitePlan, readings: Readings, keep: Callable[[HostPlan], bool]) -> str:
    """What machines draw together: all of each, or their GPUs where no sensor tells more."""
    if readings is None:
        return "-"
    found = measured_sum(plan, readings, keep)
    text = _measured(found)
    if found.silent:
        text += f' <span class="bad">without {found.silent} of {found.nodes}</span>'
    simulated = any(host.simulated and host.name in readings for host in plan.hosts if keep(host))
    return f"{text} {SIMULATED}" if simulated and text != "-" else text


def _measured(found: MeasuredSum) -> str:
    if found.nodes_w is not None:
        return kilowatts(round(found.nodes_w))
    return f"GPUs {kilowatts(round(found.gpus_w))}" if found.gpus_w is not None else "-"


def _findings(plan: SitePlan, readings: Readings, meters: MeterReadings | None) -> str:
    rows = findings_rows(meter_findings(plan, meters, readings)) if meters else []
    for host in plan.hosts:
        reading = (readings or {}).get(host.name)
        if reading is None:
            continue
        found = findings(host, reading)
        texts = [("bad", text) for text in found.problems] + [("note", text) for text in found.notes]
        if reading.complaint:
            texts.append(("bad", f"did not answer: {reading.complaint}"))
        rows += [f'<tr><td>{escape(host.name)}</td><td class="{kind}">{escape(text)}</td></tr>' for kind, text in texts]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _levels(plan: SitePlan, readings: Readings, meters: MeterReadings | None) -> str:
    """Meter, feeds, pods, racks, PDUs with a meter."""
    levels = plan.levels
    rows = [
        _level(
            f"Meter (IT load x PUE {plan.pue:g})",
            int(plan.power.nameplate_w * plan.pue),
            levels.meter.planned_w,
            levels.meter.limit_w,
            measured_cell(plan, meters) or ("no meter" if readings is not None else "-"),
        )
    ]
    rows += [
        _level(
            f"Feed {key}{_situation(level.situation)}",
            None,
            level.planned_w,
            level.limit_w,
            measured_cell(plan, meters, feed=key) or "-",
            "indent",
        )
        for key, level in levels.feeds.items()
    ]
    for pod in plan.pods:
        measured = _sum_text(plan, readings, lambda host, key=pod.key: host.pod == key)  # type: ignore[misc]
        measured = _both(measured_cell(plan, meters, pod=pod.key), measured)
        power = pod.power
        rows.append(_level(f"Pod {pod.key}", power.nameplate_w, power.allocated_w, power.budget_w, measured, "indent"))
        rows += _racks(plan, pod, readings, meters)
    heads = ("Level", "Planned", "Allocated", "Limit", "Margin", "Measured")
    return _table(heads, rows)


def _both(one: str, other: str) -> str:
    """What PDUs tell, and what machines do."""
    return "<br>".join(text for text in (one, other) if text not in {"", "-"}) or "-"


def _racks(plan: SitePlan, pod: PodPlan, readings: Readings, meters: MeterReadings | None) -> Iterable[str]:
    for rack in dict.fromkeys(host.rack for host in pod.hosts):
        inside = [host.draw for host in pod.hosts if host.rack == rack]
        others = sum(item.nameplate_w for item in pod.equipment if item.rack == rack)
        measured = _sum_text(plan, readings, lambda host, rack=rack: (host.pod, host.rack) == (pod.key, rack))  # type: ignore[misc]
        nameplate = sum(draw.nameplate_w for draw in inside) + others
        allocated = sum(draw.allocated_w for draw in inside) + others
        measured = _both(measured_cell(plan, meters, pod.key, rack), measured)
        yield _level(f"Rack {pod.key}/{rack}", nameplate, allocated, None, measured, "deep")
        for meter in plan.of(MetersPlan).meters:
            if (meter.pod, meter.rack) == (pod.key, rack):
                cell = measured_cell(plan, meters, pod.key, rack, meter.feed) or "-"
                name = f"PDU {pod.key}/{rack}/{meter.feed}"
                yield _level(name, meter.nameplate_w, meter.allocated_w, meter.limit_w, cell, "deeper")


def _situation(text: str) -> str:
    return f", {text}" if text else ""


def _level(
    name: str, nameplate_w: int | None, allocated_w: int, limit_w: int | None, measured: str, indent: str = ""
) -> str:
    limit, margin, bar = "-", "-", ""
    if limit_w is not None:
        left = limit_w - allocated_w
        state = "over" if left < 0 else "tight" if left < TIGHT * limit_w else "good"
        share = min(100, round(100 * allocated_w / limit_w)) if limit_w else 100
        limit, margin = kilowatts(limit_w), kilowatts(left)
        bar = f'<span class="bar" title="{share} %"><i class="{state}" style="width:{share}%"></i></span>'
    planned = kilowatts(nameplate_w) if nameplate_w is not None else "-"
    cells = (planned, kilowatts(allocated_w) + bar, limit, margin, measured)
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f'<tr><td class="{indent}">{escape(name)}</td>{numbers}</tr>'


def _losses(report: PowerReport) -> str:
    rows = [
        f"<tr><td>{escape(row.situation)}</td>"
        + "".join(f'<td class="n">{text}</td>' for text in (row.survive, row.survive_at_cap, row.lost))
        + f'<td class="n">{f"{row.gpu_cap_w} W" if row.gpu_cap_w is not None else "-"}</td></tr>'
        for row in report.losses
    ]
    return _table(("Loss", "Survive", "Survive at a lower limit", "Lost", "Limit per GPU then"), rows) if rows else ""


def _machines(pod: PodPlan, readings: Readings) -> str:
    heads = ("Machine", "Planned", "Allocated", "Measured", "GPUs measured", "Limit per GPU, planned and measured", "")
    table = _table(heads, [_machine(host, readings) for host in pod.hosts])
    state = " open" if len(pod.hosts) <= OPEN_NODES else ""
    return f"<details{state}><summary>{len(pod.hosts)} machines</summary>{table}</details>"


def _machine(host: HostPlan, readings: Readings) -> str:
    reading = (readings or {}).get(host.name, NodeReading())
    mark = f" {SIMULATED}" if host.simulated else ""
    whole = "no sensor" if host.name in (readings or {}) and not reading.complaint else "-"
    if reading.node_w is not None:
        whole = f"{kilowatts(round(reading.node_w))}{mark}<br>{escape(reading.node_source)}"
    if reading.cpu_w is not None:
        whole += f"<br>processors {kilowatts(round(reading.cpu_w))}{mark}"
    gpus = f"{kilowatts(round(reading.gpus_w))}{mark}" if reading.gpus_w is not None else "-"
    found = findings(host, reading) if host.name in (readings or {}) else None
    remark = f"maintenance: {host.maintenance}" if host.maintenance is not None else ""
    remark = f"did not answer: {reading.complaint}" if reading.complaint else remark
    if found and (found.problems or found.notes):
        remark = "not as planned, see above"
    kind = "bad" if reading.complaint or (found and found.problems) else "note"
    cells = (
        kilowatts(host.draw.nameplate_w),
        kilowatts(host.draw.allocated_w),
        whole,
        gpus,
        _gpu_limits(host, reading),
    )
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    name = f"{escape(host.name)}<br><span>{escape(host.sku)}</span>"
    return f'<tr><td>{name}</td>{numbers}<td class="{kind}">{escape(remark)}</td></tr>'


def _gpu_limits(host: HostPlan, reading: NodeReading) -> str:
    if host.gpu is None:
        return "-"
    planned = f"{host.gpu.cap_w} W" if host.gpu.cap_w is not None else f"default, {host.gpu.power_default_w} W"
    limits = [f"{gpu.limit_w:g} W" if gpu.limit_w is not None else "unknown" for gpu in reading.gpus]
    counted = ", ".join(f"{limits.count(text)} x {text}" for text in sorted(set(limits)))
    mark = f" {SIMULATED}" if host.simulated else ""
    return f"{planned}<br>{escape(counted)}{mark}" if counted else planned


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    first, *others = heads
    cells = f"<th>{first}</th>" + "".join(f'<th class="n">{head}</th>' for head in others)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
