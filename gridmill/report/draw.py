"""What a site draws, as numbers for machines."""

from __future__ import annotations

from typing import Any

from gridmill.kernel.site_plan import SitePlan


def draw_report(plan: SitePlan) -> dict[str, Any]:
    """What the site draws idle, typically, at most under its caps, and by nameplate: IT load and meter, in W."""
    power = plan.power
    it_load = {
        "idle_w": power.idle_w,
        "typical_w": power.typical_w,
        "allocated_w": power.allocated_w,
        "nameplate_w": power.nameplate_w,
    }
    return {"pue": plan.pue, "it": it_load, "meter": {key: int(watts * plan.pue) for key, watts in it_load.items()}}
