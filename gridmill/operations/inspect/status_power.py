"""Status, continued: power limits of machines with GPUs beside those of the plan; meters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gridmill.compare.measured import NodeReading, findings
from gridmill.compare.metered import MeterReadings, near_the_limit, silent
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.inspect.status import NodeStatus


def to_be_asked(plan: SitePlan, nodes: list[NodeStatus]) -> list[HostPlan]:
    """Machines with GPUs that are there: what is wrong with the others is told already."""
    found = {node.name for node in nodes if node.found}
    return [host for host in plan.hosts if host.gpu and host.name in found]


def with_power(plan: SitePlan, nodes: list[NodeStatus], readings: Mapping[str, NodeReading]) -> list[NodeStatus]:
    """The nodes with what was found of their power."""
    hosts = {host.name: host for host in plan.hosts}

    def one(node: NodeStatus) -> NodeStatus:
        reading = readings.get(node.name)
        if reading is None:
            return node
        found = findings(hosts[node.name], reading)
        complaint = (f"its power could not be asked: {reading.complaint}",) if reading.complaint else ()
        problems = (*node.problems, *complaint, *found.problems)
        return replace(node, problems=problems, notes=found.notes, working=node.working and not problems)

    return [one(node) for node in nodes]


def meter_lines(plan: SitePlan, readings: MeterReadings) -> list[str]:
    """What the main meter warns of, and meters that do not answer; neither is a problem of a machine."""
    return [f"warning: {text}" for text in (*near_the_limit(plan, readings), *silent(plan, readings))]


def meters_status(plan: SitePlan, readings: MeterReadings) -> dict[str, Any]:
    """The part of `gridmill status --json` that meters say; none without meters, or when they were not asked."""
    if not readings:
        return {}
    measured = {
        key: round(reading.power_w) if reading.power_w is not None else None for key, reading in readings.items()
    }
    return {"meters": {"measured_w": measured, "warnings": meter_lines(plan, readings)}}
