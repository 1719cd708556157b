"""Power limits of GPUs, as the plan has them."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    del plan
    return {"gpu_power_cap": host.gpu.cap_w} if host.gpu and host.gpu.cap_w else {}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan
    return [{"check": "gpu_power_limit", "watts": host.gpu.cap_w}] if host.gpu and host.gpu.cap_w else []


GPU_POWER = Concern(alike=_alike, checks=_checks)
