"""CUDA toolkits, on the machines that get them."""

from __future__ import annotations

from typing import Any

from gridmill.plan.site_plan import HostPlan, SitePlan
from gridmill.render.documents.shape import Concern, Values


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    if not set(plan.nvidia.cuda_services) & set(host.services):
        return {}
    return {"cuda_packages": plan.nvidia.cuda, "cuda_source": plan.nvidia.source}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    return [
        {"check": "package", "name": name, "version_prefix": pattern.removesuffix("*")}
        for name, pattern in _alike(plan, host).get("cuda_packages", {}).items()
    ]


CUDA = Concern(alike=_alike, checks=_checks)
