"""Backup of the controllers."""

from __future__ import annotations

from gridmill.features.backup.plan import BackupPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def controller_variables(plan: SitePlan) -> Values:
    """What is backed up, to whom, when and where; nothing without a backup in the stack."""
    backup = plan.get(BackupPlan)
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


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """The newest backup is young enough."""
    backup = plan.get(BackupPlan)
    if backup is None or "controller" not in host.services:
        return []
    return [
        {
            "check": "backup",
            "directory": backup.directory,
            "max_age_hours": backup.maximum_age_hours,
        },
    ]
