"""Power limits of GPUs, as the plan has them."""

from __future__ import annotations

from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """The planned power limit, where there is one."""
    del plan
    return {"gpu_power_cap": host.gpu.cap_w} if host.gpu and host.gpu.cap_w else {}


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Every GPU has the planned limit."""
    del plan
    return [{"check": "gpu_power_limit", "watts": host.gpu.cap_w}] if host.gpu and host.gpu.cap_w else []
