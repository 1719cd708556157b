"""What jobs may draw together, where Slurm holds the site's connection and contract."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.core.sections.site import Site
from gridmill.power.consumers import Caps, Consumer, consumers
from gridmill.power.limit import TOLERANCE_W
from gridmill.power.limits import meter_limit_w


@dataclass(frozen=True)
class ScheduledPower:
    """The site's power as jobs have it. IT load in W, but for the meter's limit."""

    total_w: int
    """What jobs may take together."""
    base_w: int
    """What flows without any job: GPU nodes that run jobs idle, everything else at its most."""
    meter_limit_w: int
    """The limit that leaves least, at the meter."""
    limit: str
    """What it is, for people."""


def scheduled_power(site: Site, catalog: Catalog, caps: Caps) -> ScheduledPower | None:
    """For the installed pods; None where Slurm does not hold the power."""
    if site.power is None or not site.power.scheduled:
        return None
    machines = standing(site, catalog)
    base = sum(one.idle_w if one.held else one.draw_w(caps) for one in machines)
    limit, contract = meter_limit_w(site), site.grid.contract
    return ScheduledPower(
        total_w=max(0, math.floor(limit / site.grid.pue - base + TOLERANCE_W)),
        base_w=base,
        meter_limit_w=limit,
        limit="the contracted power" if contract and contract.firm == limit else "the connection",
    )


def standing(site: Site, catalog: Catalog) -> list[Consumer]:
    """What draws power of the installed pods."""
    return [one for one in consumers(site, catalog) if site.pods[one.pod].from_ is None]


def held_w(allocated_w: int, scheduled: ScheduledPower | None) -> int:
    """IT load that can flow at once: what is allocated, or what jobs get where Slurm holds the site."""
    return min(allocated_w, scheduled.base_w + scheduled.total_w) if scheduled else allocated_w
