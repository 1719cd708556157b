"""GPU nodes: the driver, and the GPUs that must be found."""

from __future__ import annotations

from gridmill.features.nvidia.plan import plan_nvidia
from gridmill.features.nvidia.problems import compatibility_problems
from gridmill.features.nvidia.variables import checks, class_variables, gpu_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="nvidia",
    needs=("software", "storage"),
    problems=(lambda context: compatibility_problems(context.site, context.catalog),),
    plan=plan_nvidia,
    placements=(
        Placement(
            role="nvidia",
            phases={"pod": "gpu"},
            stage=Stage.DEVICES,
            group_variables={"gpu": gpu_variables},
            class_variables=class_variables,
            checks=checks,
        ),
    ),
)
