"""Settings of the machines' kernels."""

from __future__ import annotations

from gridmill.features.kernel.plan import plan_kernels
from gridmill.features.kernel.section import Kernel
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="kernel",
    section=Kernel,
    summary="Kernel settings and parameters.",
    default=lambda: Kernel(sysctl={}, parameters=[]),
    plan=plan_kernels,
)
