"""From a checked site to its plan."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of
from gridmill.core.addresses import host_address, host_address6, pod_network, pod_network6
from gridmill.core.names import node_label, pod_index, rack_index
from gridmill.core.sections.machines import Machine
from gridmill.core.sections.pods import Pod, Slot
from gridmill.kernel.context import Planning
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import (
    AccessPlan,
    ChangesPlan,
    EquipmentPlan,
    GpuPlan,
    HostPlan,
    PodPlan,
    PowerPlan,
    SitePlan,
    VlanPlan,
)
from gridmill.power import Caps, Draw, machine_draw, pod_draw
from gridmill.power.levels import power_levels
from gridmill.power.limits import meter_limit_w
from gridmill.power.scheduled import ScheduledPower, scheduled_power


def plan_site(definition: Definition) -> SitePlan:
    """The plan of a checked definition; the order of keys and slots is of no matter."""
    site, catalog = definition.site, definition.catalog
    analysis = definition.power
    caps = analysis.caps
    planned = [_plan_pod(definition, caps, key, pod) for key, pod in sorted(site.pods.items())]
    pods = tuple(pod for pod in planned if pod.planned_from is None)
    hosts = tuple(host for pod in pods for host in pod.hosts)
    standing = [pod for pod in site.pods.values() if pod.from_ is None]
    draw = sum((pod_draw(pod, catalog, caps) for pod in standing), Draw())
    scheduled = scheduled_power(site, catalog, caps)
    bootstrap = site.access.bootstrap
    network = site.network
    return SitePlan(
        name=site.name,
        domain=network.domain,
        supernet=str(network.supernet),
        prefix_length=network.supernet.prefixlen,
        infrastructure_address=str(network.supernet.network_address + 1),
        supernet6=str(network.supernet6) if network.supernet6 else None,
        infrastructure_address6=str(network.supernet6.network_address + 1) if network.supernet6 else None,
        timezone=site.location.timezone,
        vlans=tuple(
            VlanPlan(name, vlan.id, str(vlan.network) if vlan.network else None)
            for name, vlan in sorted(network.vlans.items(), key=lambda item: item[1].id)
        ),
        access=AccessPlan(bootstrap.user, bootstrap.identity_file, bootstrap.known_hosts_file),
        adopt=tuple(sorted(set(site.adopt))),
        changes=ChangesPlan.of(site.changes),
        pods=pods,
        future=tuple(pod for pod in planned if pod.planned_from is not None),
        power=_power(sum(pod.budget for pod in standing), draw),
        levels=power_levels(analysis),
        grid_limit_w=meter_limit_w(site),
        grid_limits_later={
            date: meter_limit_w(site, date) for date in sorted(site.grid.contract.later if site.grid.contract else ())
        },
        pue=site.grid.pue,
        simulated=any(host.simulated for host in hosts),
        scheduled=scheduled,
        plans=_plans(definition, hosts, scheduled, draw),
        features=definition.features,
    )


def _plans(
    definition: Definition, hosts: tuple[HostPlan, ...], scheduled: ScheduledPower | None, draw: Draw
) -> dict[str, Any]:
    """The plan of every feature that has one, by its name; each sees those that it needs."""
    plans: dict[str, Any] = {}
    planning = Planning(
        definition, hosts, definition.power.caps, scheduled, draw.allocated_w, draw.nameplate_w, MappingProxyType(plans)
    )
    for feature in definition.features:
        if feature.plan:
            plans[feature.name] = feature.plan(planning)
    return plans


def _power(budget_w: int, draw: Draw) -> PowerPlan:
    return PowerPlan(budget_w, draw.nameplate_w, draw.allocated_w, draw.typical_w, draw.idle_w)


def _plan_pod(definition: Definition, caps: Caps, key: str, pod: Pod) -> PodPlan:
    site, catalog = definition.site, definition.catalog
    index = pod_index(key, pod)
    if index is None:
        raise ValueError(f"{key} has no number; the site was not checked")
    network = pod_network(site.network.supernet, site.network.pod_prefix, index)
    network6 = pod_network6(site.network.supernet6, index) if site.network.supernet6 else None
    racks = {name: rack_index(name, rack) or 0 for name, rack in pod.racks.items()}
    hosts = []
    for group_key, group in pod.nodes.items():
        for slot in group.at:
            rack = racks[slot.rack]
            addresses = (
                str(host_address(network, rack, slot.unit)),
                str(host_address6(network6, rack, slot.unit)) if network6 else None,
            )
            hosts.append(_plan_host(definition, caps, key, group_key, slot, addresses))
    hosts.sort(key=lambda host: (racks[host.rack], host.unit))
    power = _power(pod.budget, pod_draw(pod, catalog, caps))
    network6_text = str(network6) if network6 else None
    equipment = _plan_equipment(pod, catalog)
    return PodPlan(key, index, str(network), tuple(hosts), power, network6_text, pod.from_, equipment)


def _plan_equipment(pod: Pod, catalog: Catalog) -> tuple[EquipmentPlan, ...]:
    """Switches, shelves and cooling units by rack and unit."""
    known = catalog.equipment
    found = (
        EquipmentPlan(key, sku.id, sku.kind, slot.rack, slot.unit, sku.power.nameplate)
        for key, group in pod.equipment.items()
        for sku in (known[group.sku],)
        for slot in group.at
    )
    return tuple(sorted(found, key=lambda item: (item.rack, item.unit, item.group)))


def _plan_host(
    definition: Definition, caps: Caps, pod_key: str, group_key: str, slot: Slot, addresses: tuple[str, str | None]
) -> HostPlan:
    site, catalog = definition.site, definition.catalog
    pod = site.pods[pod_key]
    group = pod.nodes[group_key]
    machine = definition.machines.get((pod_key, slot), Machine())
    sku = catalog.nodes[group.sku]
    gpu = None
    if sku.gpu:
        kind = catalog.gpus[sku.gpu.type]
        gpu = GpuPlan(
            kind.model,
            sku.gpu.count,
            kind.gres_type,
            kind.memory,
            kind.nvlinks,
            kind.power.min,
            kind.power.max,
            kind.power.default_w,
            f"inventories/{site.name}/skus/gpus/{kind.id}.yaml"
            if kind.id in catalog.own_gpus
            else f"gridmill/catalog/gpus/{kind.id}.yaml",
            min(kind.power.max, max(kind.power.min, caps[group_key])) if group_key in caps else None,
        )
    name = node_label(pod_key, slot)
    return HostPlan(
        name=name,
        fqdn=f"{name}.{site.network.domain}",
        address=addresses[0],
        address6=addresses[1],
        pod=pod_key,
        rack=slot.rack,
        unit=slot.unit,
        group=group_key,
        sku=sku.id,
        kind=sku.kind,
        services=services_of(group, catalog),
        gpu=gpu,
        draw=machine_draw(sku, catalog, caps.get(group_key)),
        kernel_modules=sku.platform.kernel_modules,
        simulated=sku.simulated,
        clock=sku.platform.clock,
        serial=machine.serial,
        mac=machine.mac,
        serial_file=sku.platform.serial_file,
        maintenance=pod.maintenance.get(slot),
    )
