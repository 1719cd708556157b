"""The status for people."""

from __future__ import annotations

from gridmill.core.units import kilowatts
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.inspect.status import NodeStatus, PodStatus, pod_status
from gridmill.operations.inspect.watts import WattsStatus, watts_line
from gridmill.report.tables import columns


def status_table(
    plan: SitePlan, nodes: list[NodeStatus], unreachable: str = "", watts: WattsStatus | None = None
) -> str:
    """Site, pods, machines; what is wrong stands at the end of its line. `unreachable`: why no controller answered."""
    pods: list[tuple[str, ...]] = [
        ("POD", "NODES", "FOUND", "WORKING", "GPUS", "FOUND", "POWER", "CONVERGED", "REMARK")
    ]
    pods += [_pod_row(pod) for pod in pod_status(plan, nodes)]
    rows: list[tuple[str, ...]] = [("NODE", "SKU", "SERVICES", "FOUND", "SLURM", "CONVERGED", "REMARK")]
    rows += [_node_row(node, "?" if unreachable else "yes" if node.found else "no") for node in nodes]
    head = f"Site {plan.name}" + (", simulated" if plan.simulated else "")
    power = f"{kilowatts(plan.meter_w)} at the meter, of {kilowatts(plan.grid_limit_w)}"
    bad = sum(bool(node.problems) for node in nodes)
    if unreachable:
        return "\n".join([f"{head}: {power}", "", *columns(rows), "", f"only planned; not known: {unreachable}"])
    end = f"{bad} of {len(nodes)} with a problem" if bad else "no problems"
    jobs = [watts_line(watts)] if watts else []
    return "\n".join([f"{head}: {power}", *jobs, "", *columns(pods), "", *columns(rows), "", end])


def _pod_row(pod: PodStatus) -> tuple[str, ...]:
    power = f"{kilowatts(pod.nameplate_w)} of {kilowatts(pod.budget_w)}"
    if pod.planned_from:
        remark = f"planned, from {pod.planned_from}"
        return (pod.pod, str(pod.nodes_planned), "-", "-", str(pod.gpus_planned), "-", power, "-", remark)
    counts = ((pod.problems, "with a problem"), (pod.nodes_in_maintenance, "in maintenance"))
    return (
        pod.pod,
        str(pod.nodes_planned),
        str(pod.nodes_found),
        str(pod.nodes_working),
        str(pod.gpus_planned),
        str(pod.gpus_found),
        power,
        pod.converged or "-",
        ", ".join(f"{count} {what}" for count, what in counts if count),
    )


def _node_row(node: NodeStatus, found: str) -> tuple[str, ...]:
    maintenance = (f"maintenance: {node.maintenance}",) if node.maintenance else ()
    return (
        node.name,
        node.sku or "-",
        ",".join(node.services),
        found,
        node.slurm or "-",
        node.converged or "-",
        "; ".join([*maintenance, *([node.reboot] if node.reboot else []), *node.problems, *node.notes]),
    )
