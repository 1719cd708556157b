"""GPU nodes: NCCL."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _gpu(plan: SitePlan) -> Values:
    return {"nccl_packages": plan.nvidia.nccl, "nccl_source": plan.nvidia.source}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if not host.gpu:
        return []
    return [
        {"check": "package", "name": name, "version_prefix": pattern.removesuffix("*")}
        for name, pattern in plan.nvidia.nccl.items()
    ]


NCCL = Concern(groups={"gpu": _gpu}, checks=_checks)
