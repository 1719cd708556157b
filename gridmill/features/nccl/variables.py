"""GPU nodes: NCCL."""

from __future__ import annotations

from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def gpu_variables(plan: SitePlan) -> Values:
    """Packages of NCCL."""
    return {"nccl_packages": plan.of(NvidiaPlan).nccl, "nccl_source": plan.of(NvidiaPlan).source}


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """NCCL is there in its version."""
    if not host.gpu:
        return []
    return [
        {"check": "package", "name": name, "version_prefix": pattern.removesuffix("*")}
        for name, pattern in plan.of(NvidiaPlan).nccl.items()
    ]
