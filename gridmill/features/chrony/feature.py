"""Clocks: controllers follow the world's time, or agree on their own; everyone else follows the controllers."""

from __future__ import annotations

from gridmill.features.chrony.plan import plan_time
from gridmill.features.chrony.variables import checks, class_variables, controller_variables, site_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="chrony",
    plan=plan_time,
    placements=(
        Placement(
            role="chrony",
            phases={"control": "all", "pod": "all"},
            stage=Stage.TIME,
            site_variables=site_variables,
            group_variables={"controllers": controller_variables},
            class_variables=class_variables,
            checks=checks,
        ),
    ),
)
