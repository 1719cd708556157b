"""GPU nodes: NCCL."""

from __future__ import annotations

from gridmill.features.nccl.variables import checks, gpu_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="nccl",
    needs=("nvidia",),
    placements=(
        Placement(
            role="nccl",
            phases={"pod": "gpu"},
            stage=Stage.DEVICES,
            group_variables={"gpu": gpu_variables},
            checks=checks,
        ),
    ),
)
