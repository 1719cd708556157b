"""Backups: in a place of their own, no two recipients alike."""

from __future__ import annotations

from pathlib import PurePosixPath

from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.features.backup.section import Backup

SOURCES = ("/etc", "/var/lib/gridmill", "/var/lib/slurm", "/var/lib/mysql", "/run", "/tmp", "/dev", "/proc", "/sys")  # noqa: S108
"""What is backed up, and what does not outlive a machine's restart."""


def backup_problems(site: Site) -> list[Problem]:
    """A directory inside of what it backs up or that is lost at a restart; a recipient named twice."""
    backup = site.get(Backup)
    if backup is None:
        return []
    problems = []
    for source in SOURCES:
        if PurePosixPath(backup.directory).is_relative_to(source):
            message = f"{backup.directory} lies in {source}"
            problems.append(
                Problem(("backup", "directory"), message, "a directory of its own", "/var/backups/gridmill")
            )
    for number, recipient in enumerate(backup.recipients):
        if recipient in backup.recipients[:number]:
            problems.append(Problem(("backup", "recipients", number), "named twice", "each once", "remove it"))
    return problems
