"""The last phase: jobs that prove the site."""

from __future__ import annotations

from gridmill.core.hostlist import names
from gridmill.core.people import ACCEPTANCE_ACCOUNT, ACCEPTANCE_USER
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.document import Document, HostKeys, document, entries
from gridmill.kernel.site_plan import GpuPlan, SitePlan

COMMANDS = {
    "cgroup/v2": "nvidia-smi --list-gpus",
    "disabled": 'nvidia-smi --id="$CUDA_VISIBLE_DEVICES" --query-gpu=index,name --format=csv,noheader',
}
"""What an acceptance job lists: all GPUs where others are out of its reach, else those that Slurm named."""


def acceptance_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """One job per GPU partition and type of GPU in service, run as the acceptance user and looked up in accounting."""
    controllers = plan.with_service("controller")
    command = COMMANDS[plan.of(SlurmPlan).cgroup["CgroupPlugin"]]
    jobs = [
        {
            "name": f"gridmill-accept-{partition['PartitionName']}-{gpu.gres_type}",
            "partition": partition["PartitionName"],
            "user": ACCEPTANCE_USER,
            "account": ACCEPTANCE_ACCOUNT,
            "gres": f"gpu:{gpu.gres_type}:{min(2, gpu.count)}",
            "command": command,
        }
        for partition in plan.of(SlurmPlan).partitions
        for gpu in _gpus(plan, partition["Nodes"])
    ]
    groups = {"controllers": {"hosts": [host.name for host in controllers], "vars": {"acceptance_jobs": jobs}}}
    return document(plan, "acceptance", entries(controllers, host_keys), groups, {}, {"playbook": "acceptance.yml"})


def _gpus(plan: SitePlan, nodes: str) -> list[GpuPlan]:
    """GPUs by type that a partition has in service, in the order of groups: of each type those of its largest node."""
    members = set(names(nodes))
    kinds: dict[str, GpuPlan] = {}
    for host in sorted(plan.hosts, key=lambda one: one.group):
        if host.gpu and "compute" in host.services and host.maintenance is None and host.name in members:
            known = kinds.setdefault(host.gpu.gres_type, host.gpu)
            if host.gpu.count > known.count:
                kinds[host.gpu.gres_type] = host.gpu
    return list(kinds.values())
