"""The plan as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridmill.core.units import kilowatts
from gridmill.features.chrony.plan import TimePlan
from gridmill.features.storage.plan import StoragePlan
from gridmill.kernel.site_plan import GpuPlan, HostPlan, PodPlan, SitePlan


def site_table(plan: SitePlan) -> str:
    """Machines pod by pod, networks, and power against budgets and the connection."""
    six = ("ADDRESS6",) if plan.supernet6 else ()
    rows = [("NODE", "ADDRESS", *six, "SKU", "SERVICES", "GPUS", "STATE")]
    rows += [
        (
            host.name,
            host.address,
            *((host.address6 or "",) if six else ()),
            host.sku,
            ",".join(host.services),
            _gpus(host.gpu, simulated=host.simulated),
            _state(pod, host),
        )
        for pod in (*plan.pods, *plan.future)
        for host in pod.hosts
    ]
    lines = [f"Site {plan.name}, {plan.domain}" + (", simulated" if plan.simulated else ""), "", *columns(rows), ""]
    if equipment := _equipment(plan):
        lines += [*columns(equipment), ""]
    lines += [*columns(_networks(plan)), ""]
    if plan.of(StoragePlan).volumes:
        lines += [*columns(_volumes(plan)), ""]
    power = [("POWER", "ALLOCATED", "LIMIT", "MARGIN")]
    power += [
        (pod.key, kilowatts(pod.power.allocated_w), kilowatts(pod.power.budget_w), kilowatts(pod.power.margin_w))
        for pod in plan.pods
    ]
    power.append(_at_meter(f"meter (PUE {plan.pue:g})", plan.meter_w, plan.grid_limit_w))
    for pod, step in zip(sorted(plan.future, key=_when), plan.growth, strict=True):
        limits = (kilowatts(pod.power.allocated_w), kilowatts(pod.power.budget_w), kilowatts(pod.power.margin_w))
        power.append((f"{pod.key}, from {pod.planned_from}", *limits))
        power.append(_at_meter(f"meter with {pod.key}", step.meter_w, step.limit_w))
    return "\n".join([*lines, *columns(power)])


def _equipment(plan: SitePlan) -> list[tuple[str, ...]]:
    """What draws power and is not a machine; empty when there is none."""
    rows = [
        (item.group, f"{pod.key} {item.rack}/u{item.unit}", item.sku, item.kind, kilowatts(item.nameplate_w))
        for pod in plan.pods
        for item in pod.equipment
    ]
    return [("EQUIPMENT", "PLACE", "SKU", "KIND", "NAMEPLATE"), *rows] if rows else []


def _networks(plan: SitePlan) -> list[tuple[str, ...]]:
    """Who has which addresses: the site, its pods, its VLANs."""
    rows: list[tuple[str, ...]] = [("NETWORK", "ADDRESSES", "VLAN")]
    rows.append(("supernet", ", ".join(filter(None, (plan.supernet, plan.supernet6))), ""))
    rows += [(pod.key, ", ".join(filter(None, (pod.network, pod.network6))), "") for pod in (*plan.pods, *plan.future)]
    rows += [(vlan.name, vlan.network or "", str(vlan.id)) for vlan in plan.vlans]
    return [*rows, ("time", ", ".join(plan.of(TimePlan).servers) or "the controllers' own clock", "")]


def _state(pod: PodPlan, host: HostPlan) -> str:
    if pod.planned_from:
        return f"planned, from {pod.planned_from}"
    return f"maintenance: {host.maintenance}" if host.maintenance is not None else "installed"


def _when(pod: PodPlan) -> tuple[str, str]:
    return (pod.planned_from or "", pod.key)


def _at_meter(label: str, watts: int, limit_w: int) -> tuple[str, str, str, str]:
    return (label, kilowatts(watts), kilowatts(limit_w), kilowatts(limit_w - watts))


def _volumes(plan: SitePlan) -> list[tuple[str, ...]]:
    """What is mounted where, and who serves it."""
    rows: list[tuple[str, ...]] = [("VOLUME", "MOUNT", "SERVED BY", "HOLDS", "CLIENTS")]
    rows += [
        (
            one.name,
            one.mount,
            f"{one.kind} of {one.group}" if one.group else f"{one.file_system} {one.what}",
            one.holds,
            ",".join(one.clients),
        )
        for one in plan.of(StoragePlan).volumes
    ]
    return rows


def summary_table(summary: dict[str, Any]) -> str:
    """The summary that a stack exports, version 1."""
    rows = [("POD", "NODES", "GPUS", "NAMEPLATE", "BUDGET")]
    rows += [
        (
            key,
            str(pod["nodes"]),
            str(pod["gpus"]),
            kilowatts(pod["power"]["nameplateW"]),
            kilowatts(pod["power"]["budgetW"]),
        )
        for key, pod in sorted(summary["pods"].items())
    ]
    power = summary["power"]
    jobs = [job for results in summary["acceptance"]["jobs"].values() for job in results.get("jobs", [])]
    lines = [
        f"Site {summary['site']}, {summary['domain']}" + (": simulated" if summary["simulated"] else ""),
        *columns(rows),
        f"meter: {kilowatts(power['meterW'])} of {kilowatts(power['gridLimitW'])}",
        f"controller: {summary['controller']}",
        f"acceptance: {'ok' if summary['acceptance']['ok'] else 'NOT OK'}",
    ]
    return "\n".join([*lines, *(f"  {job_text(job)}" for job in jobs)])


def job_text(job: dict[str, Any]) -> str:
    """One accounted job in a line."""
    shown = {key: job.get(key, "?") for key in ("name", "job", "node", "gpus", "state", "seconds")}
    return "{name} ({job}) on {node}: {gpus} GPUs, {state} after {seconds} s".format(**shown)


def _gpus(gpu: GpuPlan | None, *, simulated: bool) -> str:
    if gpu is None:
        return ""
    return f"{gpu.count} {'simulated ' if simulated else ''}{gpu.gres_type}"


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of equal length as aligned lines."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
