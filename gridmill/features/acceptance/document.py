"""The last phase: jobs that prove the site."""

from __future__ import annotations

from gridmill.core.hostlist import names
from gridmill.core.people import ACCEPTANCE_ACCOUNT, ACCEPTANCE_USER
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.document import Document, HostKeys, document, entries
from gridmill.kernel.site_plan import SitePlan

COMMANDS = {
    "cgroup/v2": "nvidia-smi --list-gpus",
    "disabled": 'nvidia-smi --id="$CUDA_VISIBLE_DEVICES" --query-gpu=index,name --format=csv,noheader',
}
"""What an acceptance job lists: all GPUs where others are out of its reach, else those that Slurm named."""


def acceptance_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """One job per GPU partition and type of GPU in service, run as the acceptance user and looked up in accounting."""
    controllers = plan.with_service("controller")
    kinds = {
        (host.group, host.gpu.gres_type): host
        for host in plan.hosts
        if host.gpu and "compute" in host.services and host.maintenance is None
    }
    command = COMMANDS[plan.of(SlurmPlan).cgroup["CgroupPlugin"]]
    jobs = [
        {
            "name": f"gridmill-accept-{partition['PartitionName']}-{host.gpu.gres_type}",
            "partition": partition["PartitionName"],
            "user": ACCEPTANCE_USER,
            "account": ACCEPTANCE_ACCOUNT,
            "gres": f"gpu:{host.gpu.gres_type}:{min(2, host.gpu.count)}",
            "command": command,
        }
        for partition in plan.of(SlurmPlan).partitions
        for (group, _), host in sorted(kinds.items())
        if host.gpu and _spans(plan, partition["PartitionName"], group)
    ]
    groups = {"controllers": {"hosts": [host.name for host in controllers], "vars": {"acceptance_jobs": jobs}}}
    return document(plan, "acceptance", entries(controllers, host_keys), groups, {}, {"playbook": "acceptance.yml"})


def _spans(plan: SitePlan, partition: str, group: str) -> bool:
    nodes = next(line["Nodes"] for line in plan.of(SlurmPlan).partitions if line["PartitionName"] == partition)
    members = set(names(nodes))
    return any(host.group == group and host.name in members for host in plan.hosts)
