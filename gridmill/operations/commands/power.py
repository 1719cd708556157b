"""`gridmill power`: limits and their margins; with `--measured`, what machines draw; as table, JSON, page."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gridmill.compare.measured import NodeReading, findings
from gridmill.compare.metered import meter_findings
from gridmill.core.units import kilowatts
from gridmill.kernel.definition import Definition, definition_at
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.commands import growth as growth_cli
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect.measured import measure, measured_data
from gridmill.operations.inspect.meters import measure_meters, meters_data
from gridmill.operations.local_files import require_files
from gridmill.plan import plan_site
from gridmill.power.report import power_report
from gridmill.report.draw import draw_report
from gridmill.report.one_line import one_line_svg
from gridmill.report.power_meters import meters_table
from gridmill.report.power_page import power_page
from gridmill.report.power_tables import power_table
from gridmill.report.tables import columns


def add_power_arguments(command: argparse.ArgumentParser) -> None:
    """What `gridmill power` may be told."""
    command.add_argument("--svg", metavar="FILE", help="write a one-line diagram, too")
    command.add_argument("--html", metavar="FILE", help="write the power page, one file that needs nothing else")
    command.add_argument(
        "--measured", action="store_true", help="ask machines and meters for draw, machines for power limits; read only"
    )
    growth_cli.add_power_arguments(command)


def show_power(definition: Definition, options: argparse.Namespace) -> int:
    """Print the report; status 1 when something measured is not as planned, or a machine did not answer."""
    if options.sequence:
        sequence, order = growth_cli.sequence(definition)
        print(json.dumps(sequence, indent=2) if options.json else order)
        return 0
    if options.at and options.measured:
        raise OperationError("machines tell what they draw today: leave --at out, or --measured")
    if options.at:
        definition = definition_at(definition, options.at)
    report = power_report(definition.site, definition.catalog, definition.power)
    plan = plan_site(definition)
    if options.measured:
        require_files(plan)
    readings = measure(plan, plan.hosts) if options.measured else None
    meters = measure_meters(plan) if options.measured else None
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC") if options.measured else ""
    if options.svg:
        Path(options.svg).write_text(one_line_svg(plan, report), encoding="utf-8")
    if options.html:
        Path(options.html).write_text(power_page(plan, report, readings, at, meters), encoding="utf-8")
    data: dict[str, Any] = {"draw": draw_report(plan), **report.as_dict()}
    text = power_table(plan, report)
    if readings is not None:
        data |= {"measured_at": at, "measured": measured_data(plan, readings)}
        text += "\n\n" + measured_table(plan, readings)
    metered = meter_findings(plan, meters, readings) if meters else None
    if meters and metered:
        data |= {"meters": meters_data(plan, meters), "meter_findings": asdict(metered)}
        text += "\n\n" + meters_table(plan, meters, metered)
    print(json.dumps(data, indent=2) if options.json else text)
    wrong = readings is not None and _amiss(plan, readings)
    return 1 if wrong or (metered and metered.problems) else 0


def _amiss(plan: SitePlan, readings: Mapping[str, NodeReading]) -> bool:
    hosts = {host.name: host for host in plan.hosts}
    return any(reading.complaint or findings(hosts[name], reading).problems for name, reading in readings.items())


def measured_table(plan: SitePlan, readings: Mapping[str, NodeReading]) -> str:
    """Readings for people, and what is not as planned."""
    rows: list[tuple[str, ...]] = [("MEASURED", "ALLOCATED", "MACHINE", "GPUS", "LIMIT PER GPU", "REMARK")]
    for host in plan.hosts:
        reading = readings.get(host.name, NodeReading())
        found = findings(host, reading) if host.name in readings else None
        limits = sorted({gpu.limit_w for gpu in reading.gpus if gpu.limit_w is not None})
        remarks = [f"did not answer: {reading.complaint}"] if reading.complaint else []
        remarks += [f"maintenance: {host.maintenance}"] if host.maintenance is not None else []
        remarks += [*found.problems, *found.notes] if found else []
        rows.append(
            (
                host.name + (" (simulated)" if host.simulated else ""),
                kilowatts(host.draw.allocated_w),
                kilowatts(round(reading.node_w)) if reading.node_w is not None else "-",
                kilowatts(round(reading.gpus_w)) if reading.gpus_w is not None else "-",
                ", ".join(f"{limit:g} W" for limit in limits) or "-",
                "; ".join(remarks),
            )
        )
    return "\n".join(columns(rows))
