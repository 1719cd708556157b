"""Status, continued: power limits in force beside those of the plan, as the machines with GPUs tell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gridmill.plan import HostPlan, SitePlan
from gridmill.plan.measured import NodeReading, findings
from operations.status import NodeStatus


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
