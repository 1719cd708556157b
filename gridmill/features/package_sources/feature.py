"""Package sources: repositories beside the operating system's own, on the machines that use them."""

from __future__ import annotations

from gridmill.features.package_sources.variables import class_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="package_sources",
    needs=("nvidia",),
    placements=(
        Placement(
            role="package_sources",
            phases={"control": "all", "pod": "all"},
            stage=Stage.SOURCES,
            class_variables=class_variables,
        ),
    ),
)
