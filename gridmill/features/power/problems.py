"""What an organisation asks of a site's power beyond what makes a plan hold: room, and redundancy."""

from __future__ import annotations

from collections.abc import Iterator

from gridmill.catalog import Catalog
from gridmill.catalog.services import simulated
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power.caps import broken, highest_uniform_cap
from gridmill.power.consumers import consumers
from gridmill.power.limits import limits
from gridmill.power.problems import planned_caps


def margin_problems(site: Site, catalog: Catalog, share: float) -> Iterator[Problem]:
    """Limits at the meter of which less than a share is left with everything on."""
    machines = consumers(site, catalog)
    rows = [row for row in limits(site, catalog, machines) if row.path[0] == "grid"]
    caps, _ = planned_caps(site, machines, rows)
    for row in rows:
        margin = row.margin_w(caps)
        if 0 <= margin < share * row.limit_w:
            at_most = kilowatts(int(row.limit_w * (1 - share) / row.factor))
            yield Problem(
                row.path,
                f"{margin / row.limit_w:.1%} of {row.element} is left, {kilowatts(int(margin))}",
                f"at least {share:.0%}: at most {at_most} of IT load",
                "a lower cap, fewer nodes, or more power",
            )


def redundancy_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """A plan that only holds while nothing fails, and what it would take."""
    if simulated(site, catalog) or (site.power and site.power.plan == "n-1"):
        return []
    message = "the plan holds while nothing fails: the loss of a feed, UPS or PDU is not planned for"
    if site.power is None:
        hint = "describe feeds and PDUs under `power`, with `plan: n-1`"
        return [Problem(("power",), message, "feeds, and plan: n-1", hint)]
    strict = site.model_copy(update={"power": site.power.model_copy(update={"plan": "n-1"})})
    machines = consumers(strict, catalog)
    rows = list(limits(strict, catalog, machines))
    best = highest_uniform_cap(rows, machines)
    if not broken(rows, planned_caps(strict, machines, rows)[0]):
        hint = "it would hold: write `plan: n-1`"
    elif best is not None:
        hint = f"it would hold with at most {best} W per GPU (`caps: auto`)"
    else:
        hint = "write `plan: n-1` and see what does not hold"
    return [Problem(("power", "plan"), message, "plan: n-1", hint)]
