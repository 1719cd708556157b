"""Power limits of GPUs, as the plan has them."""

from __future__ import annotations

from gridmill.features.gpu_power.variables import checks, class_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="gpu_power",
    placements=(
        Placement(
            role="gpu_power",
            phases={"pod": "gpu"},
            stage=Stage.LIMITS,
            class_variables=class_variables,
            checks=checks,
        ),
    ),
)
