"""GPU nodes: the driver, and the GPUs that must be found."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _gpu(plan: SitePlan) -> Values:
    return {
        "nvidia_driver_version": plan.nvidia.driver,
        "nvidia_source": plan.nvidia.source,
        "nvidia_flavour": plan.nvidia.flavour,
        "nvidia_pins": list(plan.nvidia.pins),
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    if not host.gpu:
        return {}
    driver = plan.nvidia.drivers[host.sku]
    return {
        "nvidia_gpu_count": host.gpu.count,
        "nvidia_kernel_modules": host.kernel_modules,
        "nvidia_packages": driver.packages,
        **({"nvidia_headers": driver.headers} if driver.headers else {}),
        "nvidia_absent": list(driver.absent),
        **({"nvidia_fabric_manager": True} if driver.fabric_manager else {}),
    }


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    if not host.gpu:
        return []
    services = ["nvidia-persistenced"] if host.kernel_modules != "none" else []
    services += ["nvidia-fabricmanager"] if plan.nvidia.drivers[host.sku].fabric_manager else []
    return [
        {"check": "nvidia_driver", "version": plan.nvidia.driver},
        {"check": "gpus", "count": host.gpu.count, "name_contains": host.gpu.model},
        {
            "check": "gpu_power_range",
            "min_w": host.gpu.power_min_w,
            "max_w": host.gpu.power_max_w,
            "default_w": host.gpu.power_default_w,
            "entry": host.gpu.entry,
        },
        *({"check": "service", "name": name} for name in services),
    ]


NVIDIA = Concern(groups={"gpu": _gpu}, alike=_alike, checks=_checks)
