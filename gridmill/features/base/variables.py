"""Every machine: its name and addresses, its people, its time zone."""

from __future__ import annotations

from gridmill.core.people import ACCEPTANCE_USER, TOOLKITS_USER
from gridmill.features.kernel.plan import KernelsPlan
from gridmill.features.nvidia.plan import TOOLKITS_UID, NvidiaPlan
from gridmill.features.people.plan import PeoplePlan
from gridmill.features.slurm.plan import ACCEPTANCE_UID, SlurmPlan
from gridmill.features.storage.plan import LOCAL_HOMES, StoragePlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def site_variables(plan: SitePlan) -> Values:
    """Time zone and people of every machine."""
    return {
        "base_timezone": plan.timezone,
        "base_admins": list(plan.of(PeoplePlan).admins),
        "base_people": list(plan.of(PeoplePlan).users),
        "base_groups": list(plan.of(PeoplePlan).groups),
        "base_users": [
            {"name": ACCEPTANCE_USER, "uid": ACCEPTANCE_UID, "home": f"/var/lib/{ACCEPTANCE_USER}"},
            *(
                [{"name": TOOLKITS_USER, "uid": TOOLKITS_UID, "home": "/nonexistent"}]
                if plan.of(NvidiaPlan).shared
                else []
            ),
        ],
    }


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Users log in where they submit jobs, and beside a job of theirs where Slurm can tell whose it is. Elsewhere they
    have an account, so that names and numbers agree."""
    kernel = plan.of(KernelsPlan).by_sku.get(host.sku)
    return {
        "base_user_logins": _user_logins(plan, host),
        "base_own_kernel": kernel is not None,
        "base_sysctl": kernel.sysctl if kernel else {},
        "base_kernel_parameters": list(kernel.parameters) if kernel else [],
        **({"base_make_homes": False} if _homes_are_a_volume(plan, host) else {}),
    }


def _homes_are_a_volume(plan: SitePlan, host: HostPlan) -> bool:
    """Whether a volume takes the place of the machine's own homes; it must find that place empty."""
    volumes = [one for one in plan.of(StoragePlan).volumes if one.name in plan.of(StoragePlan).mounted_by(host)]
    return any(one.holds == "homes" and one.mount == LOCAL_HOMES for one in volumes)


def _user_logins(plan: SitePlan, host: HostPlan) -> str:
    if "login" in host.services:
        return "always"
    return "with_job" if "compute" in host.services and plan.of(SlurmPlan).adopts_logins else "never"


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """The machine itself, its name and addresses, who may log in, and whether a restart is due."""
    users = _user_logins(plan, host) != "never"
    return [
        {"check": "machine", "serial_file": host.serial_file},
        {"check": "hostname"},
        {"check": "addresses"},
        {"check": "sshd", "users": users},
        {"check": "reboot"},
    ]
