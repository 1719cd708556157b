"""Slurm: controllers, machines that run jobs, machines on which users submit them."""

from __future__ import annotations

from dataclasses import asdict

from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

AUTH_KEYS_PATH = "/etc/slurm/slurm.jwks"
SLURMCTLD_PORT = 6817


def _controllers(plan: SitePlan) -> list[str]:
    return [f"{host.name}:{SLURMCTLD_PORT}" for host in plan.with_service("controller")]


def _keys_applied(plan: SitePlan, unit: str) -> Values:
    """The daemon has read the keys as they are, and the newest is among them."""
    return {"check": "slurm_keys", "unit": unit, "epoch": plan.of(SlurmPlan).key_epoch}


def controller_variables(plan: SitePlan) -> Values:
    """Slurm's configuration, accounts and keys."""
    return {
        "slurm_controller_version": plan.of(SlurmPlan).version,
        "slurm_controller_settings": plan.of(SlurmPlan).settings,
        "slurm_controller_nodes": list(plan.of(SlurmPlan).nodes),
        "slurm_controller_partitions": list(plan.of(SlurmPlan).partitions),
        "slurm_controller_gres": list(plan.of(SlurmPlan).gres),
        "slurm_controller_cgroup": plan.of(SlurmPlan).cgroup,
        "slurm_controller_accounts": list(plan.of(SlurmPlan).accounts),
        **({"slurm_controller_watts": asdict(watts)} if (watts := plan.of(SlurmPlan).watts) else {}),
        "slurm_controller_key_epoch": plan.of(SlurmPlan).key_epoch,
        "slurm_controller_adopt": "slurm" in plan.adopt,
        "slurm_controller_adopt_accounting": "accounting" in plan.adopt,
        "slurm_controller_maintenance": {
            host.name: host.maintenance for host in plan.with_service("compute") if host.maintenance is not None
        },
    }


def controller_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Daemons run, partitions and accounting are there, keys are read."""
    if "controller" not in host.services:
        return []
    return [
        *({"check": "service", "name": name} for name in ("mariadb", "slurmdbd", "slurmctld")),
        *(
            {"check": "slurm_partition", "name": partition["PartitionName"]}
            for partition in plan.of(SlurmPlan).partitions
        ),
        {"check": "accounting", "cluster": plan.name},
        *([{"check": "slurm_watts", "total": watts.total_w}] if (watts := plan.of(SlurmPlan).watts) else []),
        *(_keys_applied(plan, unit) for unit in ("slurmdbd", "slurmctld")),
    ]


def compute_variables(plan: SitePlan) -> Values:
    """Version and controllers of machines that run jobs."""
    return {
        "slurm_compute_version": plan.of(SlurmPlan).version,
        "slurm_compute_controllers": _controllers(plan),
        "slurm_compute_adopt": "slurm" in plan.adopt,
        "slurm_compute_user_logins": plan.of(SlurmPlan).adopts_logins,
    }


def compute_gpu_variables(plan: SitePlan) -> Values:
    """Machines with GPUs get NVML's plugin."""
    del plan
    return {"slurm_compute_gpu": True}


def compute_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """slurmd runs, and the node is up with its GPUs."""
    if "compute" not in host.services:
        return []
    gres = f"gpu:{host.gpu.gres_type}:{host.gpu.count}" if host.gpu else ""
    return [
        {"check": "service", "name": "slurmd"},
        {"check": "slurm_node", "states": ["IDLE", "MIXED", "ALLOCATED"], "gres": gres},
        _keys_applied(plan, "slurmd"),
    ]


def login_variables(plan: SitePlan) -> Values:
    """Version and controllers of machines on which users submit jobs."""
    return {
        "slurm_login_version": plan.of(SlurmPlan).version,
        "slurm_login_controllers": _controllers(plan),
        "slurm_login_adopt": "slurm" in plan.adopt,
    }


def login_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """sackd runs with the newest key, where nothing else brings the configuration."""
    only_login = "login" in host.services and not {"controller", "compute"} & set(host.services)
    return [{"check": "service", "name": "sackd"}, _keys_applied(plan, "sackd")] if only_login else []
