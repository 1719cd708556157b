"""Slurm: controllers, machines that run jobs, machines on which users submit them."""

from __future__ import annotations

from typing import Any

from gridmill.plan.site_plan import HostPlan, SitePlan
from gridmill.render.documents.shape import Concern, Values

AUTH_KEY_PATH = "/etc/slurm/slurm.key"
SLURMCTLD_PORT = 6817


def _controllers(plan: SitePlan) -> list[str]:
    return [f"{host.name}:{SLURMCTLD_PORT}" for host in plan.with_service("controller")]


def _controller(plan: SitePlan) -> Values:
    return {
        "slurm_controller_version": plan.software["slurm"],
        "slurm_controller_settings": plan.slurm.settings,
        "slurm_controller_nodes": list(plan.slurm.nodes),
        "slurm_controller_partitions": list(plan.slurm.partitions),
        "slurm_controller_gres": list(plan.slurm.gres),
        "slurm_controller_cgroup": plan.slurm.cgroup,
        "slurm_controller_accounts": list(plan.slurm.accounts),
    }


def _controller_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if "controller" not in host.services:
        return []
    return [
        *({"check": "service", "name": name} for name in ("mariadb", "slurmdbd", "slurmctld")),
        *({"check": "slurm_partition", "name": partition["PartitionName"]} for partition in plan.slurm.partitions),
        {"check": "accounting", "cluster": plan.name},
    ]


def _compute(plan: SitePlan) -> Values:
    return {"slurm_compute_version": plan.software["slurm"], "slurm_compute_controllers": _controllers(plan)}


def _compute_gpu(plan: SitePlan) -> Values:
    del plan
    return {"slurm_compute_gpu": True}


def _compute_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan
    if "compute" not in host.services:
        return []
    gres = f"gpu:{host.gpu.gres_type}:{host.gpu.count}" if host.gpu else ""
    return [
        {"check": "service", "name": "slurmd"},
        {"check": "slurm_node", "states": ["IDLE", "MIXED", "ALLOCATED"], "gres": gres},
    ]


def _login(plan: SitePlan) -> Values:
    return {"slurm_login_version": plan.software["slurm"], "slurm_login_controllers": _controllers(plan)}


def _login_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan
    only_login = "login" in host.services and not {"controller", "compute"} & set(host.services)
    return [{"check": "service", "name": "sackd"}] if only_login else []


SLURM_CONTROLLER = Concern(groups={"controllers": _controller}, checks=_controller_checks)
SLURM_COMPUTE = Concern(
    groups={"compute": _compute, "gpu": _compute_gpu},
    checks=_compute_checks,
    carries={"compute": {"slurm_compute_auth_key": AUTH_KEY_PATH}},
)
SLURM_LOGIN = Concern(
    groups={"login": _login}, checks=_login_checks, carries={"login": {"slurm_login_auth_key": AUTH_KEY_PATH}}
)
