"""The converge documents: what each phase of a site gets on standard input, as plain data without secrets.

One document per phase: `control` (the controllers), one per pod (its other machines), `acceptance` (a job that
proves the site). Values that all machines of a group share stand once, in the group; a machine's own entry is
its address, so that a pod of 500 nodes stays readable in a preview.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gridmill.plan.hostlist import expand
from gridmill.plan.site_plan import HostPlan, PodPlan, SitePlan
from gridmill.plan.slurm import ACCEPTANCE_UID
from gridmill.rules.people import ACCEPTANCE_ACCOUNT, ACCEPTANCE_USER

SCHEMA = "gridmill.converge/v1"
CONTROL = "control"
ACCEPTANCE = "acceptance"
AUTH_KEY_PATH = "/etc/slurm/slurm.key"
SLURMCTLD_PORT = 6817

ACCEPTANCE_COMMANDS = {
    "cgroup/v2": "nvidia-smi --list-gpus",
    "disabled": 'nvidia-smi --id="$CUDA_VISIBLE_DEVICES" --query-gpu=index,name --format=csv,noheader',
}
"""What an acceptance job lists: all GPUs where others are out of its reach, else those that Slurm named."""

Document = dict[str, Any]
HostKeys = Mapping[str, str]
"""Fingerprint of the host key by address."""


def control_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """The controllers: the site's names, accounting and slurmctld."""
    controllers = plan.with_service("controller")
    groups = _groups(plan, controllers)
    groups["controllers"]["vars"] = {
        "names_server_domain": plan.domain,
        "names_server_records": _records(plan),
        "names_server_networks": [pod.network for pod in plan.pods],
        "names_server_upstreams": list(plan.resolvers),
        "slurm_controller_version": plan.software["slurm"],
        "slurm_controller_settings": plan.slurm.settings,
        "slurm_controller_nodes": list(plan.slurm.nodes),
        "slurm_controller_partitions": list(plan.slurm.partitions),
        "slurm_controller_gres": list(plan.slurm.gres),
        "slurm_controller_cgroup": plan.slurm.cgroup,
        "slurm_controller_accounts": list(plan.slurm.accounts),
    }
    return _document(plan, CONTROL, "control.yml", "decommission_control.yml", _entries(controllers, host_keys), groups)


def pod_document(plan: SitePlan, pod: PodPlan, host_keys: HostKeys) -> Document:
    """The machines of a pod that are no controllers; these stand in it only to be asked for the key."""
    hosts = tuple(host for host in pod.hosts if "controller" not in host.services)
    groups = _groups(plan, hosts)
    controllers = plan.with_service("controller")
    if "compute" in groups:
        groups["compute"]["vars"] = {
            "slurm_compute_version": plan.software["slurm"],
            "slurm_compute_controllers": [f"{host.name}:{SLURMCTLD_PORT}" for host in controllers],
        }
    if "login" in groups:
        groups["login"]["vars"] = {
            "slurm_login_version": plan.software["slurm"],
            "slurm_login_controllers": [f"{host.name}:{SLURMCTLD_PORT}" for host in controllers],
        }
    if "gpu" in groups:
        groups["gpu"]["vars"] = {
            "nvidia_driver_version": plan.software["driver"],
            "nvidia_source": plan.software["source"],
            "nvidia_nccl_version": plan.software["nccl"],
            "slurm_compute_gpu": True,
        }
    document = _document(plan, pod.key, "pod.yml", "decommission_pod.yml", _entries(hosts, host_keys), groups)
    document["carry"] = [
        {"host": controllers[0].name, "path": AUTH_KEY_PATH, "variable": f"slurm_{group}_auth_key"}
        for group in ("compute", "login")
        if group in groups
    ]
    document["controllers"] = _entries(controllers, host_keys)
    return document


def acceptance_document(plan: SitePlan, host_keys: HostKeys) -> Document:
    """One job per GPU partition and type of GPU, run as the acceptance user and looked up in accounting."""
    controllers = plan.with_service("controller")
    kinds = {(host.group, host.gpu.gres_type): host for host in plan.hosts if host.gpu and "compute" in host.services}
    command = ACCEPTANCE_COMMANDS[plan.slurm.cgroup["CgroupPlugin"]]
    jobs = [
        {
            "name": f"gridmill-accept-{partition['PartitionName']}-{host.gpu.gres_type}",
            "partition": partition["PartitionName"],
            "user": ACCEPTANCE_USER,
            "account": ACCEPTANCE_ACCOUNT,
            "gres": f"gpu:{host.gpu.gres_type}:{min(2, host.gpu.count)}",
            "command": command,
        }
        for partition in plan.slurm.partitions
        for (group, _), host in sorted(kinds.items())
        if host.gpu and _spans(plan, partition["PartitionName"], group)
    ]
    groups = {"controllers": {"hosts": [host.name for host in controllers], "vars": {"acceptance_jobs": jobs}}}
    return {**_document(plan, ACCEPTANCE, "acceptance.yml", None, _entries(controllers, host_keys), groups), "vars": {}}


def documents(plan: SitePlan, host_keys: HostKeys | None = None) -> dict[str, Document]:
    """All documents of a site by scope, in the order in which they run.

    `host_keys` are fingerprints by address; a machine that was replaced has another, and is converged again.
    """
    keys = host_keys or {}
    found = {CONTROL: control_document(plan, keys)}
    found |= {pod.key: pod_document(plan, pod, keys) for pod in plan.pods}
    found[ACCEPTANCE] = acceptance_document(plan, keys)
    return found


def _entries(hosts: Iterable[HostPlan], host_keys: HostKeys) -> dict[str, dict[str, str]]:
    """A machine's own entry: its address, and the host key that it is known by."""
    return {
        host.name: {
            "address": host.address,
            **({"hostKey": host_keys[host.address]} if host.address in host_keys else {}),
        }
        for host in hosts
    }


def _spans(plan: SitePlan, partition: str, group: str) -> bool:
    nodes = next(line["Nodes"] for line in plan.slurm.partitions if line["PartitionName"] == partition)
    members = {name for expression in _split(nodes) for name in expand(expression)}
    return any(host.group == group and host.name in members for host in plan.hosts)


def _split(expressions: str) -> Iterable[str]:
    """Split at commas outside of brackets."""
    depth, start = 0, 0
    for position, character in enumerate(expressions):
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            yield expressions[start:position]
            start = position + 1
    yield expressions[start:]


def _document(
    plan: SitePlan,
    scope: str,
    playbook: str,
    decommission: str | None,
    hosts: dict[str, dict[str, str]],
    groups: dict[str, Any],
) -> Document:
    access = plan.access
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "scope": scope,
        "playbook": playbook,
        **({"decommission": decommission} if decommission else {}),
        "connection": {
            "user": access.bootstrap_user,
            "identityFile": access.identity_file,
            "knownHostsFile": access.known_hosts_file,
            "become": access.bootstrap_user != "root",
        },
        "domain": plan.domain,
        "vars": {
            "base_timezone": plan.timezone,
            "base_admins": list(plan.admins),
            "base_users": [{"name": ACCEPTANCE_USER, "uid": ACCEPTANCE_UID, "home": f"/var/lib/{ACCEPTANCE_USER}"}],
            "names_client_servers": [host.address for host in plan.with_service("controller")],
            "names_client_domain": plan.domain,
        },
        "groups": groups,
        "hosts": hosts,
    }


def _groups(plan: SitePlan, hosts: Iterable[HostPlan]) -> dict[str, Any]:
    """Groups with their machines: by service, by kind, and by SKU and services with the checks for such machines."""
    members: dict[str, list[str]] = defaultdict(list)
    alike: dict[tuple[str, tuple[str, ...]], list[HostPlan]] = defaultdict(list)
    for host in hosts:
        for service in host.services:
            members["controllers" if service == "controller" else service].append(host.name)
        if host.gpu:
            members["gpu"].append(host.name)
        alike[(host.sku, host.services)].append(host)
    groups: dict[str, Any] = {name: {"hosts": names} for name, names in sorted(members.items())}
    for (sku, services), machines in sorted(alike.items()):
        first = machines[0]
        variables: dict[str, Any] = {"verify_checks": _checks(plan, first)}
        if first.gpu:
            variables["nvidia_gpu_count"] = first.gpu.count
            variables["nvidia_kernel_modules"] = first.kernel_modules
        name = "_".join(["sku", *sku.split("-"), *services])
        groups[name] = {"hosts": [host.name for host in machines], "vars": variables}
    return groups


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    """What a machine like this must be found to be; name and address come from the machine's own entry."""
    checks: list[dict[str, Any]] = [{"check": "hostname"}, {"check": "resolves"}]
    if "controller" in host.services:
        checks += [{"check": "service", "name": name} for name in ("dnsmasq", "mariadb", "slurmdbd", "slurmctld")]
        checks += [
            {"check": "slurm_partition", "name": partition["PartitionName"]} for partition in plan.slurm.partitions
        ]
        checks.append({"check": "accounting", "cluster": plan.name})
    if host.gpu:
        checks += [
            {"check": "nvidia_driver", "version": plan.software["driver"]},
            {"check": "gpus", "count": host.gpu.count, "name_contains": host.gpu.model},
            {"check": "gpu_power_range", "min_w": host.gpu.power_min_w, "max_w": host.gpu.power_max_w},
            {"check": "package", "name": "libnccl2", "version_prefix": plan.software["nccl"]},
        ]
    if "login" in host.services and not {"controller", "compute"} & set(host.services):
        checks.append({"check": "service", "name": "sackd"})
    if "compute" in host.services:
        gres = f"gpu:{host.gpu.gres_type}:{host.gpu.count}" if host.gpu else ""
        checks += [
            {"check": "service", "name": "slurmd"},
            {"check": "slurm_node", "states": ["IDLE", "MIXED", "ALLOCATED"], "gres": gres},
        ]
    return checks


def _records(plan: SitePlan) -> list[dict[str, Any]]:
    """Every machine's name, with aliases for what a site has one of."""
    aliases: dict[str, list[str]] = defaultdict(list)
    for alias, service in (("controller", "controller"), ("login", "login"), ("storage", "storage")):
        if found := plan.with_service(service):
            aliases[found[0].name].append(f"{alias}.{plan.domain}")
    return [{"name": host.fqdn, "address": host.address, "aliases": aliases[host.name]} for host in plan.hosts]
