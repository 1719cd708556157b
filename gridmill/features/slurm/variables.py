"""Slurm: controllers, machines that run jobs, machines on which users submit them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

AUTH_KEYS_PATH = "/etc/slurm/slurm.jwks"
SLURMCTLD_PORT = 6817


def _controllers(plan: SitePlan) -> list[str]:
    return [f"{host.name}:{SLURMCTLD_PORT}" for host in plan.with_service("controller")]


def _keys_in_force(plan: SitePlan, unit: str) -> Values:
    """The daemon has read the keys as they are, and the newest is among them."""
    return {"check": "slurm_keys", "unit": unit, "epoch": plan.slurm.key_epoch}


def _controller(plan: SitePlan) -> Values:
    return {
        "slurm_controller_version": plan.software["slurm"],
        "slurm_controller_settings": plan.slurm.settings,
        "slurm_controller_nodes": list(plan.slurm.nodes),
        "slurm_controller_partitions": list(plan.slurm.partitions),
        "slurm_controller_gres": list(plan.slurm.gres),
        "slurm_controller_cgroup": plan.slurm.cgroup,
        "slurm_controller_accounts": list(plan.slurm.accounts),
        **({"slurm_controller_watts": asdict(plan.slurm.watts)} if plan.slurm.watts else {}),
        "slurm_controller_key_epoch": plan.slurm.key_epoch,
        "slurm_controller_adopt": "slurm" in plan.adopt,
        "slurm_controller_adopt_accounting": "accounting" in plan.adopt,
        "slurm_controller_maintenance": {
            host.name: host.maintenance for host in plan.with_service("compute") if host.maintenance is not None
        },
    }


def _controller_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if "controller" not in host.services:
        return []
    return [
        *({"check": "service", "name": name} for name in ("mariadb", "slurmdbd", "slurmctld")),
        *({"check": "slurm_partition", "name": partition["PartitionName"]} for partition in plan.slurm.partitions),
        {"check": "accounting", "cluster": plan.name},
        *([{"check": "slurm_watts", "total": plan.slurm.watts.total_w}] if plan.slurm.watts else []),
        *(_keys_in_force(plan, unit) for unit in ("slurmdbd", "slurmctld")),
    ]


def _compute(plan: SitePlan) -> Values:
    return {
        "slurm_compute_version": plan.software["slurm"],
        "slurm_compute_controllers": _controllers(plan),
        "slurm_compute_adopt": "slurm" in plan.adopt,
        "slurm_compute_user_logins": plan.slurm.adopts_logins,
    }


def _compute_gpu(plan: SitePlan) -> Values:
    del plan
    return {"slurm_compute_gpu": True}


def _compute_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if "compute" not in host.services:
        return []
    gres = f"gpu:{host.gpu.gres_type}:{host.gpu.count}" if host.gpu else ""
    return [
        {"check": "service", "name": "slurmd"},
        {"check": "slurm_node", "states": ["IDLE", "MIXED", "ALLOCATED"], "gres": gres},
        _keys_in_force(plan, "slurmd"),
    ]


def _login(plan: SitePlan) -> Values:
    return {
        "slurm_login_version": plan.software["slurm"],
        "slurm_login_controllers": _controllers(plan),
        "slurm_login_adopt": "slurm" in plan.adopt,
    }


def _login_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    only_login = "login" in host.services and not {"controller", "compute"} & set(host.services)
    return [{"check": "service", "name": "sackd"}, _keys_in_force(plan, "sackd")] if only_login else []


SLURM_CONTROLLER = Concern(groups={"controllers": _controller}, checks=_controller_checks)
SLURM_COMPUTE = Concern(
    groups={"compute": _compute, "gpu": _compute_gpu},
    checks=_compute_checks,
    carries={"compute": {"slurm_compute_auth_keys": AUTH_KEYS_PATH}},
)
SLURM_LOGIN = Concern(
    groups={"login": _login}, checks=_login_checks, carries={"login": {"slurm_login_auth_keys": AUTH_KEYS_PATH}}
)
