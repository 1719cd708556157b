"""Backups of the controllers, as planned."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.features.backup.section import Backup
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class BackupPlan:
    """Backups of the controller."""

    recipients: tuple[str, ...]
    at: str
    """Time of day, in the site's time zone."""
    keep: int
    directory: str
    mounted: bool
    maximum_age_hours: int

    @classmethod
    def of(cls, backup: Backup | None) -> BackupPlan | None:
        """None for a site without backups."""
        if backup is None:
            return None
        recipients = tuple(backup.recipients)
        return cls(recipients, backup.at, backup.keep, backup.directory, backup.mounted, backup.maximum_age_hours)


def plan_backup(planning: Planning) -> BackupPlan | None:
    """The plan of a checked site."""
    return BackupPlan.of(planning.site.get(Backup))
