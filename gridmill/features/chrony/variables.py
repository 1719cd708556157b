"""Clocks: controllers follow the world's time, or agree on their own; everyone else follows the controllers."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

LARGEST_OFFSET_S = 0.1
"""Seconds between a machine's clock and its source's. NTP on one's own network stays below 0.001; logs of two machines
that are 0.1 apart cannot be read together any more."""


def _everyone(plan: SitePlan) -> Values:
    return {"chrony_sources": [host.address for host in plan.with_service("controller")]}


def _controllers(plan: SitePlan) -> Values:
    return {
        "chrony_sources": list(plan.time_servers),
        "chrony_serves": [plan.supernet, *([plan.supernet6] if plan.supernet6 else [])],
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    del plan
    return {"chrony_adjust": False} if host.clock == "host" else {}


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    own = "controller" in host.services and not plan.time_servers
    return [{"check": "clock", "own": own, "largest_offset_s": LARGEST_OFFSET_S}]


CLOCK = Concern(everyone=_everyone, groups={"controllers": _controllers}, alike=_alike, checks=_checks)
