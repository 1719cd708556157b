"""Backups of the controllers."""

from __future__ import annotations

from gridmill.features.backup.plan import plan_backup
from gridmill.features.backup.problems import backup_problems
from gridmill.features.backup.section import Backup
from gridmill.features.backup.variables import checks, controller_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="backup",
    section=Backup,
    summary=(
        "Backups of the controller. Without them, a controller that is lost takes accounting and queued jobs along."
    ),
    problems=(lambda context: backup_problems(context.site),),
    plan=plan_backup,
    placements=(
        Placement(
            role="backup",
            phases={"control": "all"},
            stage=Stage.OPERATIONS,
            group_variables={"controllers": controller_variables},
            checks=checks,
        ),
    ),
)
