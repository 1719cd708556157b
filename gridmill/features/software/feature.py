"""Versions of what gets installed, and where it comes from."""

from __future__ import annotations

from gridmill.features.software.plan import plan_software
from gridmill.features.software.problems import software_problems
from gridmill.features.software.section import Software
from gridmill.kernel.feature import Feature

FEATURE = Feature(
    name="software",
    section=Software,
    summary="Versions and sources.",
    required=True,
    plan=plan_software,
    problems=(lambda context: software_problems(context.site, context.catalog, context.keys),),
)
