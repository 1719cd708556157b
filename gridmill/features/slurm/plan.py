"""Slurm's configuration from declared hardware, in node ranges; what hosts report only confirms it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gridmill.catalog import Node
from gridmill.core.hostlist import fold
from gridmill.core.people import ACCEPTANCE_ACCOUNT, ACCEPTANCE_USER
from gridmill.core.sections.site import Site
from gridmill.features.slurm.section import Limits, Partition, Scheduler, seconds_of
from gridmill.features.slurm.watts import LICENSE, WattsPlan, plan_watts
from gridmill.features.software.section import Software
from gridmill.kernel.context import Planning
from gridmill.kernel.site_plan import HostPlan
from gridmill.power.ramp import resume_rate

ACCEPTANCE_UID = 1990
"""User ID of the acceptance user: below the people of a site (2000 and up), above Debian's first dynamic users."""

RESERVED_MEMORY_PERCENT = 5
"""Share of a node's memory that is not offered to jobs."""

_MEBIBYTE = 2**20


@dataclass(frozen=True)
class SlurmPlan:
    """Slurm's configuration as data, for the templates to print."""

    version: str
    """Of the packages."""
    settings: dict[str, str]
    """`slurm.conf`, key by key, in order."""
    nodes: tuple[dict[str, str], ...]
    """One line of `slurm.conf` each, in node ranges."""
    partitions: tuple[dict[str, str], ...]
    gres: tuple[dict[str, str], ...]
    """Lines of `gres.conf`."""
    cgroup: dict[str, str]
    """`cgroup.conf`, key by key."""
    accounts: tuple[dict[str, Any], ...]
    key_epoch: int
    """Which of the cluster's keys is to be in use; 1 is the first."""
    key_overlap_s: int
    """Seconds between the last signature with an old key and its end."""
    watts: WattsPlan | None
    """What jobs may draw, where Slurm holds the site's power."""

    @property
    def adopts_logins(self) -> bool:
        """Whether a login can be put into the user's job on that node (pam_slurm_adopt needs its control group)."""
        return self.cgroup["CgroupPlugin"] != "disabled"


def plan_slurm(planning: Planning) -> SlurmPlan:
    """slurm.conf, gres.conf, cgroup.conf and accounts of a checked site, with the watts that Slurm hands out."""
    site, catalog, hosts, caps = planning.site, planning.catalog, planning.hosts, planning.caps
    scheduler = site.of(Scheduler)
    watts = plan_watts(site, catalog, caps)
    compute = [host for host in hosts if "compute" in host.services]
    skus = {host.sku: catalog.nodes[host.sku] for host in compute}
    rate = resume_rate(site, catalog, caps) if site.grid.ramp else None
    cgroups = all(sku.platform.cgroup == "v2" for sku in skus.values())
    controllers = [host for host in hosts if "controller" in host.services]
    return SlurmPlan(
        version=site.of(Software).slurm.version,
        settings=_settings(site, controllers, cgroups=cgroups, skus=list(skus.values()))
        # nodes that Slurm switches on in a minute; its 0 would mean no limit
        | ({"ResumeRate": str(rate)} if rate else {})
        | _watts(watts),
        nodes=tuple(_node_lines(compute, skus)),
        partitions=tuple(_partition_lines(site, compute)),
        gres=tuple(_gres_lines(compute)),
        cgroup=_cgroup(cgroups=cgroups),
        accounts=_accounts(site),
        key_epoch=scheduler.key_epoch,
        key_overlap_s=scheduler.key_overlap_seconds,
        watts=watts,
    )


def _watts(watts: WattsPlan | None) -> dict[str, str]:
    if watts is None:
        return {}
    return {
        "Licenses": f"{LICENSE}:{watts.total_w}",
        # every job gets its watts there, whatever its user asks for
        "JobSubmitPlugins": "lua",
        # a job that waits for watts is planned for, so that smaller ones behind it do not take them for ever
        "SchedulerParameters": "bf_licenses",
        # reserved watts are accounted, and can be billed
        "AccountingStorageTRES": f"gres/gpu,license/{LICENSE}",
    }


def _settings(site: Site, controllers: list[HostPlan], *, cgroups: bool, skus: list[Node]) -> dict[str, str]:
    """Keys of slurm.conf; every non-default value has its reason beside it."""
    default_memory = min(_offered_memory(sku) // sku.cpu.threads for sku in skus)
    settings = {
        "ClusterName": site.name,
        # with the address, so that daemons find it before names answer
        "SlurmctldHost": f"{controllers[0].name}({controllers[0].address})",
        "SlurmUser": "slurm",
        # a random key made once on the controller; munge's daemon is not needed
        "AuthType": "auth/slurm",
        "CredType": "cred/slurm",
        # nodes fetch their configuration: adding one touches no other
        "SlurmctldParameters": "enable_configless",
        "StateSaveLocation": "/var/lib/slurm/slurmctld",
        "SlurmdSpoolDir": "/var/lib/slurm/slurmd",
        "SlurmctldPidFile": "/run/slurmctld/slurmctld.pid",
        "SlurmdPidFile": "/run/slurm/slurmd.pid",
        # whole resources are counted: cores, memory, GPUs
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        # a job that does not say gets its share, not the whole node
        "DefMemPerCPU": str(default_memory),
        "ProctrackType": "proctrack/cgroup" if cgroups else "proctrack/linuxproc",
        "TaskPlugin": "task/affinity,task/cgroup" if cgroups else "task/affinity",
        # a job's processes on a node belong to it from the first moment (pam_slurm_adopt needs it)
        "PrologFlags": "Contain" if cgroups else "Alloc",
        "MpiDefault": "pmix",
        "PropagateResourceLimitsExcept": "MEMLOCK",
        # a node that comes back with what was declared is used again, whatever took it down
        "ReturnToService": "2",
        "MailProg": "/bin/true",
        "SlurmctldTimeout": "120",
        "SlurmdTimeout": "300",
        "UnkillableStepTimeout": "180",
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": controllers[0].name,
        # jobs without an account are refused, limits hold
        "AccountingStorageEnforce": "associations,limits,qos",
        "JobAcctGatherType": "jobacct_gather/cgroup" if cgroups else "jobacct_gather/linux",
        "PriorityType": "priority/multifactor",
    }
    if any(sku.gpu for sku in skus):
        settings |= {"GresTypes": "gpu", "AccountingStorageTRES": "gres/gpu"}
    return settings


def _node_lines(compute: list[HostPlan], skus: dict[str, Node]) -> Iterable[dict[str, str]]:
    by_sku: dict[str, list[HostPlan]] = defaultdict(list)
    for host in compute:
        by_sku[host.sku].append(host)
    for sku_id, hosts in sorted(by_sku.items()):
        sku = skus[sku_id]
        gpu = hosts[0].gpu
        line = {
            "CPUs": str(sku.cpu.threads),
            "Sockets": str(sku.cpu.sockets),
            "CoresPerSocket": str(sku.cpu.cores_per_socket),
            "ThreadsPerCore": str(sku.cpu.threads_per_core),
            "RealMemory": str(_offered_memory(sku)),
            **({"Gres": f"gpu:{gpu.gres_type}:{gpu.count}"} if gpu else {}),
            "State": "UNKNOWN",
        }
        for expression in fold(host.name for host in hosts):
            yield {"NodeName": expression, **line}


def _offered_memory(sku: Node) -> int:
    """MiB that Slurm may give to jobs."""
    return sku.memory * (100 - RESERVED_MEMORY_PERCENT) // 100 // _MEBIBYTE


def _partition_lines(site: Site, compute: list[HostPlan]) -> Iterable[dict[str, str]]:
    for name, partition in sorted(site.of(Scheduler).partitions.items()):
        nodes = fold(host.name for host in compute if host.group in partition.node_groups)
        if not nodes:  # all of them in pods that are planned
            continue
        yield {
            "PartitionName": name,
            "Nodes": ",".join(nodes),
            "Default": "YES" if partition.default else "NO",
            "MaxTime": partition.max_time,
            **({"DefaultTime": partition.default_time} if partition.default_time else {}),
            **({"MaxNodes": str(partition.max_nodes)} if partition.max_nodes else {}),
            **({"PriorityTier": str(partition.priority)} if partition.priority > 1 else {}),
            **_allowed(partition),
            "State": "UP",
        }


def _allowed(partition: Partition) -> dict[str, str]:
    """Who may use a partition; acceptance jobs always may."""
    allowed = {}
    if partition.allow_accounts:
        allowed["AllowAccounts"] = ",".join(sorted({*partition.allow_accounts, ACCEPTANCE_ACCOUNT}))
    if partition.allow_groups:
        allowed["AllowGroups"] = ",".join(sorted({*partition.allow_groups, ACCEPTANCE_USER}))
    return allowed


def _gres_lines(compute: list[HostPlan]) -> Iterable[dict[str, str]]:
    """NVML finds the GPUs on nodes that have some; nodes without are not asked (no library there)."""
    with_gpu = [host.name for host in compute if host.gpu]
    if with_gpu:
        yield {"NodeName": ",".join(fold(with_gpu)), "AutoDetect": "nvml"}


def _cgroup(*, cgroups: bool) -> dict[str, str]:
    if not cgroups:
        return {"CgroupPlugin": "disabled"}
    keys = ("ConstrainCores", "ConstrainDevices", "ConstrainRAMSpace", "ConstrainSwapSpace")
    return {"CgroupPlugin": "cgroup/v2", **dict.fromkeys(keys, "yes")}


def _accounts(site: Site) -> tuple[dict[str, Any], ...]:
    own: dict[str, Any] = {"name": ACCEPTANCE_ACCOUNT, "description": "acceptance jobs", "users": [ACCEPTANCE_USER]}
    return (
        own,
        *(
            {
                "name": name,
                "description": account.description,
                "users": sorted(set(account.users)),
                **({"limits": limits} if (limits := _limits(account.limits)) else {}),
            }
            for name, account in sorted(site.of(Scheduler).accounts.items())
        ),
    )


def _limits(limits: Limits) -> dict[str, int]:
    """Limits by name; the longest run time in minutes, as accounting keeps it."""
    minutes = None if limits.max_wall is None else int(seconds_of(limits.max_wall)) // 60
    found = {
        "gpus": limits.gpus,
        "cpus": limits.cpus,
        "nodes": limits.nodes,
        "jobs": limits.jobs,
        "max_wall_minutes": minutes,
    }
    return {name: value for name, value in found.items() if value is not None}
