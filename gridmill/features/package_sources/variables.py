"""Package sources: repositories beside the operating system's own, on the machines that use them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def uses_nvidia_packages(plan: SitePlan, host: HostPlan) -> bool:
    """Whether any package of the machine comes from the source of GPU software."""
    puts = plan.of(NvidiaPlan).shared is not None and "controller" in host.services
    return host.gpu is not None or puts or bool(set(plan.of(NvidiaPlan).cuda_services) & set(host.services))


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Repositories of a machine that uses packages of them."""
    if not plan.of(NvidiaPlan).sources or not uses_nvidia_packages(plan, host):
        return {}
    return {"package_sources_wanted": {name: _plain(asdict(one)) for name, one in plan.of(NvidiaPlan).sources.items()}}


def _plain(source: dict[str, Any]) -> dict[str, Any]:
    """Lists for tuples, as JSON has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in source.items()}
