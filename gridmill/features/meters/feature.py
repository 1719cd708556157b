"""Meters: what is planned where they sit, and what a controller needs to ask them."""

from __future__ import annotations

from gridmill.features.meters.plan import plan_meters
from gridmill.features.meters.problems import meter_problems
from gridmill.features.meters.variables import controller_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="meters",
    problems=(lambda context: meter_problems(context.site, context.catalog),),
    plan=plan_meters,
    placements=(
        Placement(
            role=None,
            phases={"control": "all"},
            stage=Stage.BASE,
            group_variables={"controllers": controller_variables},
        ),
    ),
)
