"""What would hold a limit that is broken: caps, fewer machines, another place, more feeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gridmill.catalog import Catalog
from gridmill.core.errors import Path
from gridmill.core.sections.power import Power
from gridmill.core.sections.site import Site
from gridmill.power.caps import highest_uniform_cap
from gridmill.power.consumers import PHASES, Caps, Consumer, consumers
from gridmill.power.limit import Limit
from gridmill.power.limits import limits

MOST_FEEDS = 6
"""Letters that feeds can have, A to F."""


def what_fits(limit: Limit, caps: Caps, machines: Sequence[Consumer], first_caps: str | None = None) -> list[str]:
    """A cap, fewer machines, or another place: whatever would hold this limit.

    `first_caps` is the cap of a site whose stack has no `power` section yet; None where it has one.
    """
    found = []
    best = highest_uniform_cap([limit], machines) if limit.load.gpus else None
    if best is not None:
        found.append(f"a cap of {best} W per GPU (power.caps)" if first_caps is None else first_caps)
    found = [text for text in found if text]
    inside = [machine for machine in machines if _on(limit.path, machine)]
    groups: dict[tuple[str, str], list[Consumer]] = {}
    for machine in [machine for machine in inside if machine.section == "nodes"] or inside:
        groups.setdefault((machine.group, machine.sku), []).append(machine)
    if limit.path[-1] != "sku":
        (group, sku), members = max(groups.items(), key=lambda item: item[1][0].draw_w(caps))
        first = members[0]
        if first.held and limit.path[0] == "grid":  # the others are idle there
            fewer = math.ceil(-limit.margin_w(caps) / (first.idle_w * limit.factor))
        else:
            share = first.draw_w(caps) / sum(machine.draw_w(caps) for machine in inside)
            fewer = math.ceil(-limit.margin_w(caps) / (limit.load.draw_w(caps) * limit.factor * share))
        if fewer < len(members):
            found.append(f"{fewer} node{'s' if fewer > 1 else ''} of {group} ({sku}) fewer")
        elif not found:
            found.append(f"move nodes elsewhere: {len(members)} of {group} ({sku}) alone are too many")
    return [*found, "nodes in another rack"] if "racks" in limit.path else found or ["larger supplies"]


def first_caps(site: Site, catalog: Catalog) -> str:
    """The `power` section with which a site without one holds all of its limits; empty where no cap makes it hold.

    With the section comes the design margin, which the connection did not have before.
    """
    careful, whole = (_cap_with(site, catalog, margin) for margin in (None, 1.0))
    if careful is not None:
        more = f", or of {whole} W with designMargin: 1 there" if whole is not None and whole > careful else ""
        return f"a cap of {careful} W per GPU{more} (power: {{feeds: {{A: {{}}}}, caps: auto}})"
    if whole is not None:
        return f"a cap of {whole} W per GPU (power: {{feeds: {{A: {{}}}}, designMargin: 1, caps: auto}})"
    return ""


def _cap_with(site: Site, catalog: Catalog, margin: float | None) -> int | None:
    """The highest cap that holds a site whose stack plans with one feed and this design margin."""
    power = Power.model_validate({"feeds": {"A": {}}, "designMargin": margin})
    changed = site.model_copy(update={"power": power})
    machines = consumers(changed, catalog)
    return highest_uniform_cap(list(limits(changed, catalog, machines)), machines)


def more_feeds(machine: Consumer, power: Power) -> str:
    """On how many feeds a machine that is off after the loss of one of them must be to stay on."""
    count = len(machine.supplies)
    if machine.bus_bar:
        count //= PHASES
        if count == 1:
            return "another power shelf in the rack, on another feed"
    known = machine.supply_w is not None
    enough = (feeds for feeds in range(2, MOST_FEEDS + 1) if count - math.ceil(count / feeds) >= machine.needed)
    feeds = next(enough, None) if known else 2
    if feeds is None:
        return f"plan: n; it needs {machine.needed} of its {count} supplies, so no number of feeds is enough"
    where = "" if feeds <= len(power.feeds) else f"{feeds} feeds (power.feeds) and "
    share = f" (then each has at most {math.ceil(count / feeds)} of the {count} supplies)" if known else ""
    return f"{where}PDUs of {feeds} feeds in the rack{share}; or plan: n"


def _on(path: Path, machine: Consumer) -> bool:
    """Whether a machine draws through the element at this place."""
    if path[0] != "pods":
        return True
    return machine.pod == path[1] and ("racks" not in path or machine.slot.rack == path[3])
