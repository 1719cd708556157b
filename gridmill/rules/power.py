"""The power predicate: nameplate of what is racked or planned, against each pod's budget and the connection.

One predicate for the command line, the component and (later) the policy pack.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.errors import Problem
from gridmill.model import Site
from gridmill.model.pods import Pod
from gridmill.units import kilowatts


@dataclass(frozen=True)
class Draw:
    """IT power in W of a set of nodes, without caps."""

    nameplate_w: int = 0
    typical_w: int = 0
    idle_w: int = 0

    def __add__(self, other: Draw) -> Draw:
        """The sum, field by field."""
        return Draw(self.nameplate_w + other.nameplate_w, self.typical_w + other.typical_w, self.idle_w + other.idle_w)


def pod_draw(pod: Pod, catalog: Catalog) -> Draw:
    """Sum over a pod's nodes; groups of unknown SKUs count nothing (another rule refuses them)."""
    total = Draw()
    for group in pod.nodes.values():
        if sku := catalog.nodes.get(group.sku):
            count = len(group.at)
            power = sku.power
            total += Draw(power.nameplate * count, power.typical * count, power.idle * count)
    return total


def power_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Pods over their budget, and pods whose budgets together are over the connection."""
    problems: list[Problem] = []
    for key, pod in site.pods.items():
        draw = pod_draw(pod, catalog).nameplate_w
        if draw > pod.budget:
            over = draw - pod.budget
            message = f"nodes draw {kilowatts(draw)}, {kilowatts(over)} over the budget of {kilowatts(pod.budget)}"
            problems.append(
                Problem(
                    ("pods", key, "budget"),
                    message,
                    f"at least {kilowatts(draw)}",
                    _what_fits(pod, catalog, over),
                )
            )
    budgets = sum(pod.budget for pod in site.pods.values())
    at_meter = int(budgets * site.grid.pue)
    if at_meter > site.grid.limit_w:
        message = (
            f"the pods' budgets, {kilowatts(budgets)} of IT load, are {kilowatts(at_meter)} at the meter"
            f" (PUE {site.grid.pue:g}), {kilowatts(at_meter - site.grid.limit_w)} over {kilowatts(site.grid.limit_w)}"
        )
        hint = f"budgets of {kilowatts(site.grid.it_limit_w)} together, or a larger connection"
        problems.append(Problem(("grid", "connection"), message, f"at least {kilowatts(at_meter)} at the meter", hint))
    return problems


def _what_fits(pod: Pod, catalog: Catalog, over: int) -> str:
    """How many nodes fewer of the group that draws most would fit."""
    groups = [
        (sku.power.nameplate, key, len(group.at), group.sku)
        for key, group in pod.nodes.items()
        if (sku := catalog.nodes.get(group.sku))
    ]
    watts, key, count, sku_id = max(groups)
    fewer = -(-over // watts)
    if fewer < count:
        return f"{fewer} node{'s' if fewer > 1 else ''} of {key} ({sku_id}, {kilowatts(watts)} each) fewer"
    return f"move nodes to another pod: {count} of {key} alone draw {kilowatts(count * watts)}"
