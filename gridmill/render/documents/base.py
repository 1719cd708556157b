"""Every machine: its name and addresses, its people, its time zone."""

from __future__ import annotations

from typing import Any

from gridmill.plan.site_plan import HostPlan, SitePlan
from gridmill.plan.slurm import ACCEPTANCE_UID
from gridmill.render.documents.shape import Concern, Values
from gridmill.rules.people import ACCEPTANCE_USER


def _everyone(plan: SitePlan) -> Values:
    return {
        "base_timezone": plan.timezone,
        "base_admins": list(plan.admins),
        "base_people": list(plan.users),
        "base_groups": list(plan.groups),
        "base_users": [{"name": ACCEPTANCE_USER, "uid": ACCEPTANCE_UID, "home": f"/var/lib/{ACCEPTANCE_USER}"}],
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    """Users log in where they submit jobs; elsewhere they have an account, so that names and numbers agree."""
    del plan
    return {"base_user_logins": "always" if "login" in host.services else "never"}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan
    return [{"check": "machine", "serial_file": host.serial_file}, {"check": "hostname"}, {"check": "addresses"}]


BASE = Concern(everyone=_everyone, alike=_alike, checks=_checks)
