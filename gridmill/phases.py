"""The phases of a site, in one table: which machines, after what, what is run there, how they are taken out of service.

A new phase is a row here. What runs in one are the roles that features place there, unless it has a playbook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridmill.features.acceptance.document import acceptance_document
from gridmill.features.slurm.keys import keys_document
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.features.storage.plan import StoragePlan
from gridmill.kernel.document import Document, HostKeys
from gridmill.kernel.site_plan import HostPlan, PodPlan, SitePlan

STORAGE = "storage"
CONTROL = "control"
POD = "pod"
"""Stands for one phase per pod, named by the pod's key."""
EXPORTS = "exports"
KEYS = "keys"
ACCEPTANCE = "acceptance"

Machines = Callable[[SitePlan, PodPlan | None], Sequence[HostPlan]]


@dataclass(frozen=True)
class Phase:
    """One row of the table."""

    name: str
    """Features place their roles by it."""
    machines: Machines
    """Its machines, those in maintenance included; given the pod where there is one phase per pod. None: no phase."""
    after: tuple[str, ...]
    """Phases that come first. Their removal comes last."""
    component: str
    """Type of its resource: `gridmill:index:<component>`."""
    summary: str
    """What it is for, in one line."""
    inputs: Callable[[SitePlan], Mapping[str, Any]]
    """What a preview shows of the resource, beside the document of its run."""
    pattern: str = "all"
    """Ansible pattern of its machines among those that the document names."""
    decommission: str | None = None
    """Playbook that takes its machines out of service, when the phase or the machine is removed from the plan."""
    ledger: bool = False
    """Whether the controllers remember what each machine was converged to, so that only those are contacted that a
    change concerns. Such a phase leaves machines in maintenance alone."""
    own_document: Callable[[SitePlan, HostKeys], Document] | None = None
    """For a phase with a playbook of its own."""
    run: str = "converge"
    """Ends the name of the resource that runs it."""
    asks: bool = True
    """Whether a preview asks its machines."""
    finds_drift: bool = True
    """Whether drift on its machines runs it again."""
    follows_roles: bool = True
    """Whether it runs again when one of its roles changed."""
    secrets: bool = False
    """Whether its roles get the stack's secrets."""
    sums_up: bool = False
    """Whether it runs again when anything of the site changed."""

    @property
    def per_pod(self) -> bool:
        """Whether there is one for every pod."""
        return self.name == POD


def in_service(hosts: Sequence[HostPlan]) -> tuple[HostPlan, ...]:
    """Machines that a run may contact."""
    return tuple(host for host in hosts if host.maintenance is None)


def _served(*kinds: str) -> Machines:
    def machines(plan: SitePlan, _: PodPlan | None) -> Sequence[HostPlan]:
        storage = plan.of(StoragePlan)
        return in_service([host for host in plan.hosts if set(storage.served_by(host)) & set(kinds)])

    return machines


def _controllers(plan: SitePlan, _: PodPlan | None) -> Sequence[HostPlan]:
    return plan.with_service("controller")


def _workers(_: SitePlan, pod: PodPlan | None) -> Sequence[HostPlan]:
    """Machines of a pod that are no controllers; these stand in its document only to be asked for the key."""
    return [host for host in pod.hosts if "controller" not in host.services] if pod else []


def _once_rotated(plan: SitePlan, _: PodPlan | None) -> Sequence[HostPlan]:
    return plan.hosts if plan.of(SlurmPlan).key_epoch > 1 else ()


def _control_inputs(plan: SitePlan) -> Mapping[str, Any]:
    slurm = plan.of(SlurmPlan)
    return {
        "cluster": slurm.settings["ClusterName"],
        "nodes": [line["NodeName"] for line in slurm.nodes],
        "partitions": {line["PartitionName"]: line["Nodes"] for line in slurm.partitions},
    }


PHASES = (
    Phase(
        STORAGE,
        _served("moosefs", "moosefs-master", "nfs"),
        after=(),
        component="Storage",
        summary="Servers of the site's volumes. Removing it leaves them serving: data are never removed.",
        inputs=lambda plan: {
            "volumes": {one.name: f"{one.kind} of {one.group}" for one in plan.of(StoragePlan).volumes if one.group}
        },
    ),
    Phase(
        CONTROL,
        _controllers,
        after=(STORAGE,),
        component="SlurmControl",
        summary="Controllers: the site's DNS, accounting and slurmctld.",
        inputs=_control_inputs,
        decommission="decommission_control.yml",
        secrets=True,
    ),
    Phase(
        POD,
        _workers,
        after=(CONTROL,),
        component="Pod",
        summary="A unit of growth of a site: its machines but for controllers.",
        inputs=lambda _: {},
        pattern="all:!controllers",
        decommission="decommission_pod.yml",
        ledger=True,
        secrets=True,
    ),
    Phase(
        EXPORTS,
        _served("moosefs-master", "nfs"),
        after=(CONTROL, POD),
        component="StorageExports",
        summary="Withdraws volumes that are no longer planned, once every client was changed.",
        inputs=lambda plan: {
            "volumes": {
                one.name: "read-only" if one.read_only else "writable"
                for one in plan.of(StoragePlan).volumes
                if one.group
            }
        },
    ),
    Phase(
        KEYS,
        _once_rotated,
        after=(CONTROL, POD),
        component="KeyRotation",
        summary="The cluster's keys: which epoch every machine has come to. Only sites that ever rotated have one.",
        inputs=lambda plan: {"epoch": plan.of(SlurmPlan).key_epoch},
        own_document=keys_document,
        run="run",
        finds_drift=False,
        follows_roles=False,  # a changed role must not touch every machine here; the phases before brought it
    ),
    Phase(
        ACCEPTANCE,
        _controllers,
        after=(CONTROL, POD, KEYS),
        component="Acceptance",
        summary="A job on every GPU partition that asked for GPUs, got them, and is accounted.",
        inputs=lambda _: {},
        own_document=acceptance_document,
        run="run",
        asks=False,
        finds_drift=False,
        sums_up=True,
    ),
)
"""In the order in which they run."""
