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
        "base_users": [{"name": ACCEPTANCE_USER, "uid": ACCEPTANCE_UID, "home": f"/var/lib/{ACCEPTANCE_USER}"}],
    }


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan, host
    return [{"check": "hostname"}, {"check": "addresses"}]


BASE = Concern(everyone=_everyone, checks=_checks)
