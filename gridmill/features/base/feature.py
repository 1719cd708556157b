"""Every machine: its name and addresses, its people, its time zone, its kernel."""

from __future__ import annotations

from gridmill.features.base.variables import checks, class_variables, site_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="base",
    needs=("kernel", "nvidia", "people", "slurm", "storage"),
    placements=(
        Placement(
            role="base",
            phases={"control": "all", "pod": "all"},
            stage=Stage.BASE,
            site_variables=site_variables,
            class_variables=class_variables,
            checks=checks,
        ),
    ),
    secrets={"breakGlassPasswordHash": "base_break_glass_password_hash"},
)
