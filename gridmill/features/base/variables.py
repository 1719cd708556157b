"""Every machine: its name and addresses, its people, its time zone."""

from __future__ import annotations

from typing import Any

from gridmill.core.people import ACCEPTANCE_USER, TOOLKITS_USER
from gridmill.features.nvidia.plan import TOOLKITS_UID
from gridmill.features.slurm.plan import ACCEPTANCE_UID
from gridmill.features.storage.plan import LOCAL_HOMES
from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _everyone(plan: SitePlan) -> Values:
    return {
        "base_timezone": plan.timezone,
        "base_admins": list(plan.admins),
        "base_people": list(plan.users),
        "base_groups": list(plan.groups),
        "base_users": [
            {"name": ACCEPTANCE_USER, "uid": ACCEPTANCE_UID, "home": f"/var/lib/{ACCEPTANCE_USER}"},
            *([{"name": TOOLKITS_USER, "uid": TOOLKITS_UID, "home": "/nonexistent"}] if plan.nvidia.shared else []),
        ],
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    """Users log in where they submit jobs, and beside a job of theirs where Slurm can tell whose it is. Elsewhere they
    have an account, so that names and numbers agree."""
    kernel = plan.kernels.get(host.sku)
    return {
        "base_user_logins": _user_logins(plan, host),
        "base_own_kernel": kernel is not None,
        "base_sysctl": kernel.sysctl if kernel else {},
        "base_kernel_parameters": list(kernel.parameters) if kernel else [],
        **({"base_make_homes": False} if _homes_are_a_volume(plan, host) else {}),
    }


def _homes_are_a_volume(plan: SitePlan, host: HostPlan) -> bool:
    """Whether a volume takes the place of the machine's own homes; it must find that place empty."""
    volumes = [one for one in plan.storage.volumes if one.name in host.mounts]
    return any(one.holds == "homes" and one.mount == LOCAL_HOMES for one in volumes)


def _user_logins(plan: SitePlan, host: HostPlan) -> str:
    if "login" in host.services:
        return "always"
    return "with_job" if "compute" in host.services and plan.slurm.adopts_logins else "never"


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    users = _user_logins(plan, host) != "never"
    return [
        {"check": "machine", "serial_file": host.serial_file},
        {"check": "hostname"},
        {"check": "addresses"},
        {"check": "sshd", "users": users},
        {"check": "reboot"},
    ]


BASE = Concern(everyone=_everyone, alike=_alike, checks=_checks)
