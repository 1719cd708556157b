"""GPU nodes: the driver, and the GPUs that must be found."""

from __future__ import annotations

from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def gpu_variables(plan: SitePlan) -> Values:
    """Driver, source and pins of all GPU nodes."""
    return {
        "nvidia_driver_version": plan.of(NvidiaPlan).driver,
        "nvidia_source": plan.of(NvidiaPlan).source,
        "nvidia_flavour": plan.of(NvidiaPlan).flavour,
        "nvidia_pins": list(plan.of(NvidiaPlan).pins),
    }


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Packages and GPUs of one kind of node."""
    if not host.gpu:
        return {}
    driver = plan.of(NvidiaPlan).drivers[host.sku]
    return {
        "nvidia_gpu_count": host.gpu.count,
        "nvidia_kernel_modules": host.kernel_modules,
        "nvidia_packages": driver.packages,
        **({"nvidia_headers": driver.headers} if driver.headers else {}),
        "nvidia_absent": list(driver.absent),
        **({"nvidia_fabric_manager": True} if driver.fabric_manager else {}),
    }


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Driver, GPUs, their range of power limits, and the services that hold them."""
    if not host.gpu:
        return []
    services = ["nvidia-persistenced"] if host.kernel_modules != "none" else []
    services += ["nvidia-fabricmanager"] if plan.of(NvidiaPlan).drivers[host.sku].fabric_manager else []
    return [
        {"check": "nvidia_driver", "version": plan.of(NvidiaPlan).driver},
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
