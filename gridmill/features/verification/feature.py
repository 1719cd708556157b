"""What machines must be found to be: GPUs before anything uses them, everything at the end of a phase."""

from __future__ import annotations

from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="verification",
    placements=(
        Placement(
            role="verify",
            phases={"pod": "gpu"},
            stage=Stage.GATE,
            role_variables={"verify_stage": "hardware"},
        ),
        Placement(
            role="verify",
            phases={"storage": "all", "control": "all", "pod": "all", "exports": "all"},
            stage=Stage.VERIFICATION,
        ),
    ),
)
