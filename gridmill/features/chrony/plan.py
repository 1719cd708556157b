"""Whose time a site follows."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class TimePlan:
    """Clocks of a site."""

    servers: tuple[str, ...]
    """NTP servers that the controllers follow; none lets the site agree on their own clock."""


def plan_time(planning: Planning) -> TimePlan:
    """The plan of a checked site."""
    return TimePlan(tuple(planning.site.network.time_servers))
