"""A site's power analysed once, for rules, plan and report: at 10,000 nodes that is most of their time."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.power.consumers import Caps, Consumer, consumers
from gridmill.power.limit import Limit
from gridmill.power.limits import limits
from gridmill.power.problems import planned_caps


@dataclass(frozen=True, eq=False, repr=False)
class PowerAnalysis:
    """Who draws power, every limit that the policy asks for, and the caps."""

    site: Site
    catalog: Catalog
    machines: list[Consumer]
    rows: list[Limit]
    caps: Caps
    """Power limit per GPU in W by group of nodes."""
    cap_problems: tuple[Problem, ...]
    """What is wrong with the caps that the stack asks for."""

    def of(self, site: Site, catalog: Catalog) -> bool:
        """Whether it was made for these very ones."""
        return self.site is site and self.catalog is catalog


def analyse(site: Site, catalog: Catalog) -> PowerAnalysis:
    """The work for a site whose SKUs other rules check."""
    machines = consumers(site, catalog)
    rows = list(limits(site, catalog, machines))
    caps, problems = planned_caps(site, machines, rows)
    return PowerAnalysis(site, catalog, machines, rows, caps, tuple(problems))


def caps_of(site: Site, catalog: Catalog) -> Caps:
    """The caps of a checked site, in W by group of nodes."""
    if site.power is None or site.power.caps == "none":
        return {}
    return analyse(site, catalog).caps
