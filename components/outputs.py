"""What a site tells other programs as soon as it is planned. Keys as in the exported summary: in the schema, too, a
value inside a mapping keeps the key that it has here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

from gridmill.core.hostlist import fold
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import PodPlan, SitePlan


class PodOutputs(TypedDict):
    """A pod, in numbers."""

    nodes: int
    """Machines."""
    gpus: int
    """GPUs in them."""
    network: str
    """Block of addresses, in CIDR form."""
    network6: NotRequired[str]
    """The pod's /64, in CIDR form; only with IPv6."""
    budgetW: int
    """IT power that it may draw, in W."""
    allocatedW: int
    """What the power limits that the plan sets guarantee, in W."""
    nameplateW: int
    """Sum of nameplates, in W."""
    marginW: int
    """Budget minus what is allocated, in W."""


class PowerOutputs(TypedDict):
    """The site's power, in numbers."""

    allocatedW: int
    """IT power that the power limits guarantee, in W."""
    nameplateW: int
    """Sum of nameplates, in W."""
    typicalW: int
    """IT power as observed under load, in W."""
    idleW: int
    """IT power without work, in W."""
    meterW: int
    """What is allocated, at the meter: with cooling and losses, in W."""
    gridLimitW: int
    """What may be drawn at the meter, in W."""


class SlurmOutputs(TypedDict):
    """Where Slurm is reached."""

    cluster: str
    """Name of the cluster."""
    controllers: Sequence[str]
    """Full names of the machines with slurmctld."""
    logins: Sequence[str]
    """Full names of the machines on which jobs are submitted."""
    partitions: Mapping[str, str]
    """Nodes of every partition by its name, as a host list expression."""


class BootstrapOutputs(TypedDict):
    """The login by which machines are brought up."""

    user: str
    """Login name."""
    identityFile: str
    """Private key on the machine that runs Pulumi, as the definition says it."""
    knownHostsFile: str
    """Host keys, on the machine that runs Pulumi, as the definition says it."""


class SiteOutputs(TypedDict):
    """Everything that is known before anything is made."""

    name: str
    domain: str
    controller: str
    pods: dict[str, PodOutputs]
    nodes: dict[str, list[str]]
    power: PowerOutputs
    slurm: SlurmOutputs
    bootstrap: BootstrapOutputs


def site_outputs(plan: SitePlan) -> SiteOutputs:
    """The outputs of a planned site."""
    controllers = [host.fqdn for host in plan.with_service("controller")]
    slurm = plan.of(SlurmPlan)
    groups: dict[str, list[str]] = defaultdict(list)
    for host in plan.hosts:
        groups[host.group].append(host.name)
    return {
        "name": plan.name,
        "domain": plan.domain,
        "controller": controllers[0],
        "pods": {pod.key: _pod_outputs(pod) for pod in plan.pods},
        "nodes": {group: fold(names) for group, names in sorted(groups.items())},
        "power": {
            "allocatedW": plan.power.allocated_w,
            "nameplateW": plan.power.nameplate_w,
            "typicalW": plan.power.typical_w,
            "idleW": plan.power.idle_w,
            "meterW": plan.meter_w,
            "gridLimitW": plan.grid_limit_w,
        },
        "slurm": {
            "cluster": slurm.settings["ClusterName"],
            "controllers": controllers,
            "logins": [host.fqdn for host in plan.with_service("login")],
            "partitions": {line["PartitionName"]: line["Nodes"] for line in slurm.partitions},
        },
        "bootstrap": {
            "user": plan.access.bootstrap_user,
            "identityFile": plan.access.identity_file,
            "knownHostsFile": plan.access.known_hosts_file,
        },
    }


def _pod_outputs(pod: PodPlan) -> PodOutputs:
    found: PodOutputs = {
        "nodes": len(pod.hosts),
        "gpus": sum(host.gpu.count for host in pod.hosts if host.gpu),
        "network": pod.network,
        "budgetW": pod.power.budget_w,
        "allocatedW": pod.power.allocated_w,
        "nameplateW": pod.power.nameplate_w,
        "marginW": pod.power.margin_w,
    }
    if pod.network6:
        found["network6"] = pod.network6
    return found
