"""The phases of a site, and which concerns have a say in each."""

from __future__ import annotations

from dataclasses import asdict

from gridmill.features.acceptance.document import acceptance_document
from gridmill.features.backup.variables import BACKUP
from gridmill.features.base.variables import BASE
from gridmill.features.chrony.variables import CLOCK
from gridmill.features.cuda.variables import CUDA
from gridmill.features.dns.variables import DNS_CLIENT, DNS_SERVER
from gridmill.features.gpu_power.variables import GPU_POWER
from gridmill.features.ldap.variables import DIRECTORY
from gridmill.features.meters.variables import METERS
from gridmill.features.nccl.variables import NCCL
from gridmill.features.nvidia.variables import NVIDIA
from gridmill.features.slurm.keys import keys_document
from gridmill.features.slurm.variables import SLURM_COMPUTE, SLURM_CONTROLLER, SLURM_LOGIN
from gridmill.features.software.variables import PACKAGE_SOURCES
from gridmill.features.storage.variables import STORAGE_EXPORTS, STORAGE_MOUNTS, STORAGE_SERVERS
from gridmill.kernel.shape import (
    ACCEPTANCE,
    CONTROL,
    EXPORTS,
    KEYS,
    STORAGE,
    Document,
    HostKeys,
    document,
    entries,
    grouped,
    in_service,
    maintenance,
    variables_of_all,
)
from gridmill.kernel.site_plan import PodPlan, SitePlan

ON_STORAGE = (STORAGE_SERVERS,)
ON_EXPORTING = (STORAGE_EXPORTS,)
ON_CONTROLLERS = (
    *(BASE, DNS_CLIENT, DNS_SERVER, CLOCK, DIRECTORY, PACKAGE_SOURCES, STORAGE_MOUNTS, CUDA),
    SLURM_CONTROLLER,
)
IN_PODS = (
    *(BASE, DNS_CLIENT, CLOCK, DIRECTORY, PACKAGE_SOURCES, STORAGE_MOUNTS),
    *(NVIDIA, NCCL, GPU_POWER, CUDA, SLURM_LOGIN, SLURM_COMPUTE),
)


def storage_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """The nodes that serve volumes, before anything mounts them. Removing the phase leaves them serving."""
    servers = in_service([host for host in plan.hosts if host.serves])
    return document(
        plan,
        STORAGE,
        ("storage.yml", None),
        entries(servers, host_keys),
        grouped(plan, servers, ON_STORAGE),
        variables_of_all(plan, ON_STORAGE),
    )


def exports_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """The nodes that say who may mount what, after all clients: what these still worked with is withdrawn last."""
    serving = [host for host in plan.hosts if {"moosefs-master", "nfs"} & set(host.serves)]
    servers = in_service(serving)
    return document(
        plan,
        EXPORTS,
        ("exports.yml", None),
        entries(servers, host_keys),
        grouped(plan, servers, ON_EXPORTING),
        variables_of_all(plan, ON_EXPORTING),
    )


def control_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """The controllers: the site's names, accounting and slurmctld."""
    controllers = plan.with_service("controller")
    return document(
        plan,
        CONTROL,
        ("control.yml", "decommission_control.yml"),
        entries(controllers, host_keys),
        grouped(plan, controllers, (*ON_CONTROLLERS, BACKUP, METERS)),
        variables_of_all(plan, ON_CONTROLLERS),
    )


def pod_document(plan: SitePlan, pod: PodPlan, host_keys: HostKeys) -> Document:
    """The machines of a pod that are no controllers; these stand in it only to be asked for the key.

    Machines in maintenance are named, so that the runner knows that they have not left the plan; nobody contacts them.
    """
    workers = [host for host in pod.hosts if "controller" not in host.services]
    hosts = in_service(workers)
    groups = grouped(plan, hosts, IN_PODS)
    controllers = plan.with_service("controller")
    made = document(
        plan,
        pod.key,
        ("pod.yml", "decommission_pod.yml"),
        entries(hosts, host_keys),
        groups,
        variables_of_all(plan, IN_PODS),
    )
    made["carry"] = [
        {"host": controllers[0].name, "path": path, "variable": variable}
        for concern in IN_PODS
        for group, files in concern.carries.items()
        if group in groups
        for variable, path in files.items()
    ]
    made["controllers"] = entries(controllers, host_keys)
    if "compute" in groups:
        made["rollout"] = rollout(plan)
    return made | maintenance(workers)


def rollout(plan: SitePlan) -> Document:
    """How nodes that run jobs are changed when that would hit them."""
    wanted = plan.changes.rollout
    lists = {"waves": list(wanted.waves), "windows": list(wanted.windows)}
    return {**asdict(wanted), **lists, "timezone": plan.timezone}


def documents(plan: SitePlan, host_keys: HostKeys | None = None) -> dict[str, Document]:
    """All documents of a site by scope, in the order in which they run.

    `host_keys` are fingerprints by address; a machine that was replaced has another, and is converged again. Pods that
    are planned have no document.
    """
    keys = host_keys or {}
    found = {STORAGE: storage_document(plan, keys)}
    found |= {CONTROL: control_document(plan, keys)}
    found |= {pod.key: pod_document(plan, pod, keys) for pod in plan.pods}
    found |= {EXPORTS: exports_document(plan, keys)}
    for scope in (STORAGE, EXPORTS):
        if not found[scope]["hosts"]:
            del found[scope]
    if plan.slurm.key_epoch > 1:
        found[KEYS] = keys_document(plan, keys)
    found[ACCEPTANCE] = acceptance_document(plan, keys)
    return found
