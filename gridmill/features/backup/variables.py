"""Backup of the controllers."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _controllers(plan: SitePlan) -> Values:
    backup = plan.backup
    if backup is None:
        return {}
    return {
        "backup_site": plan.name,
        "backup_recipients": list(backup.recipients),
        "backup_at": backup.at,
        "backup_keep": backup.keep,
        "backup_directory": backup.directory,
        "backup_mounted": backup.mounted,
    }


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if plan.backup is None or "controller" not in host.services:
        return []
    return [
        {"check": "backup", "directory": plan.backup.directory, "max_age_hours": plan.backup.maximum_age_hours},
    ]


BACKUP = Concern(groups={"controllers": _controllers}, checks=_checks)
