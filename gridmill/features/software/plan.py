"""What is installed on machines, as far as it concerns all of them."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.features.software.section import Software
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class SoftwarePlan:
    """Versions that concern every machine."""

    os: str
    """Operating system, such as `debian-13`."""


def plan_software(planning: Planning) -> SoftwarePlan:
    """The plan of a checked site."""
    return SoftwarePlan(planning.site.of(Software).os)
