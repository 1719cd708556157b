"""Clocks: controllers follow the world's time, or agree on their own; everyone else follows the controllers."""

from __future__ import annotations

from gridmill.features.chrony.plan import TimePlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

LARGEST_OFFSET_S = 0.1
"""Seconds between a machine's clock and its source's. NTP on one's own network stays below 0.001; logs of two machines
that are 0.1 apart cannot be read together any more."""


def site_variables(plan: SitePlan) -> Values:
    """Machines follow the controllers."""
    return {"chrony_sources": [host.address for host in plan.with_service("controller")]}


def controller_variables(plan: SitePlan) -> Values:
    """Controllers follow the world, or themselves, and serve the site."""
    return {
        "chrony_sources": list(plan.of(TimePlan).servers),
        "chrony_serves": [plan.supernet, *([plan.supernet6] if plan.supernet6 else [])],
    }


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Whether the clock is the machine's own to set."""
    del plan
    return {"chrony_adjust": False} if host.clock == "host" else {}


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """The clock is synchronised and close to its source."""
    own = "controller" in host.services and not plan.of(TimePlan).servers
    return [{"check": "clock", "own": own, "largest_offset_s": LARGEST_OFFSET_S}]
