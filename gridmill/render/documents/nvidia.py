"""GPU nodes: driver, libraries, and the GPUs that must be found."""

from __future__ import annotations

from typing import Any

from gridmill.plan.site_plan import HostPlan, SitePlan
from gridmill.render.documents.shape import Concern, Values


def _gpu(plan: SitePlan) -> Values:
    return {
        "nvidia_driver_version": plan.software["driver"],
        "nvidia_source": plan.software["source"],
        "nvidia_nccl_version": plan.software["nccl"],
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    del plan
    if not host.gpu:
        return {}
    return {"nvidia_gpu_count": host.gpu.count, "nvidia_kernel_modules": host.kernel_modules}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if not host.gpu:
        return []
    return [
        {"check": "nvidia_driver", "version": plan.software["driver"]},
        {"check": "gpus", "count": host.gpu.count, "name_contains": host.gpu.model},
        {"check": "gpu_power_range", "min_w": host.gpu.power_min_w, "max_w": host.gpu.power_max_w},
        {"check": "package", "name": "libnccl2", "version_prefix": plan.software["nccl"]},
    ]


NVIDIA = Concern(groups={"gpu": _gpu}, alike=_alike, checks=_checks)
