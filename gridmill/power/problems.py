"""The power predicate: one for the command line, the component and the policy pack."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gridmill.catalog import Catalog
from gridmill.catalog.unknown import unknown_sku
from gridmill.core.errors import Path, Problem
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power.bus_bars import bus_bar_problems
from gridmill.power.caps import broken, cap_range, highest_uniform_cap
from gridmill.power.consumers import Caps, Consumer
from gridmill.power.fixes import first_caps, more_feeds, what_fits
from gridmill.power.limit import NORMAL, Limit
from gridmill.power.limits import flows
from gridmill.power.stages import Stage, stages

if TYPE_CHECKING:
    from gridmill.power.work import PowerAnalysis


def power_problems(site: Site, catalog: Catalog, work: PowerAnalysis) -> list[Problem]:
    """Everything that the site's power does not hold, each with what would fit."""
    machines, rows, caps = work.machines, work.rows, work.caps
    found = [*_budget_problems(site), *_chain_problems(site, catalog), *_size_problems(site, catalog)]
    found += _scheduled_problems(site, machines)
    found += work.cap_problems
    if not work.cap_problems:
        # without a `power` section the budgets' sum was compared with the connection
        relevant = rows if site.power else [row for row in rows if row.path[0] != "grid"]
        worst = _worst(broken(relevant, caps), caps)
        first = first_caps(site, catalog) if worst and site.power is None else None
        found += [_over(limit, caps, machines, first) for limit in worst]
    found += bus_bar_problems(site, catalog, machines)
    if site.power and site.power.plan == "n-1":
        found += _lost_problems(site, machines)
    return found


def planned_caps(site: Site, machines: Sequence[Consumer], rows: Sequence[Limit]) -> tuple[Caps, list[Problem]]:
    """The caps that the stack asks for, in W by group, and what is wrong with them."""
    policy = site.power.caps if site.power else "none"
    groups = sorted({machine.group for machine in machines if machine.gpu})
    if policy == "none" or not groups:
        return {}, []
    path: Path = ("power", "caps")
    if policy == "auto":
        best = highest_uniform_cap(rows, machines)
        if best is None:
            low, _ = cap_range(machines, groups) or (0, 0)
            floor = dict.fromkeys(groups, low)
            return {}, [_over(limit, floor, machines, floor=True) for limit in _worst(broken(rows, floor), floor)]
        return dict.fromkeys(groups, best), []
    problems = []
    for group, watts in policy.items():
        found = cap_range(machines, [group])
        if found is None:
            near = difflib.get_close_matches(group, groups, n=1)
            hint = f"did you mean {near[0]}?" if near else "remove it"
            problems.append(Problem((*path, group), f"no group {group} has GPUs", f"one of {', '.join(groups)}", hint))
        elif not found[0] <= watts <= found[1]:
            expected = f"{found[0]} W to {found[1]} W, the range that the driver accepts"
            problems.append(Problem((*path, group), f"{watts} W is not a power limit of these GPUs", expected))
    return dict(policy), problems


def _budget_problems(site: Site) -> list[Problem]:
    """Pods whose budgets together are over the connection, on any date."""
    physical = int(site.grid.connection.apparent_va * site.grid.power_factor)
    contract = site.grid.contract
    amounts: dict[Path, int] = {("firm",): contract.firm} if contract else {}
    amounts |= {("later", date): watts for date, watts in contract.later.items()} if contract else {}
    carries = f"at most {kilowatts(physical)} ({site.grid.connection.text}, power factor {site.grid.power_factor:g})"
    over = [
        Problem(
            ("grid", "contract", *place),
            f"{kilowatts(watts)} is more than the connection carries",
            carries,
            "a larger connection",
        )
        for place, watts in amounts.items()
        if watts > physical
    ]
    if over:
        return over
    if site.power and site.power.scheduled:  # Slurm keeps the sum, whatever the pods could draw together
        return []
    found = stages(site)
    # pods only ever come: without a contract that changes, the last date is the hardest
    relevant = found if contract and contract.later else found[-1:]
    problems = [problem for stage in relevant if (problem := _over_budget(site, stage))]
    return list({problem.path: problem for problem in problems}.values())


def _over_budget(site: Site, stage: Stage) -> Problem | None:
    grid = site.grid
    budgets = sum(site.pods[key].budget for key in stage.pods)
    at_meter, limit = int(budgets * grid.pue), grid.limit_on(stage.date)
    if at_meter <= limit:
        return None
    contract = grid.contract
    contracted = contract is not None and limit == stage.contract_w
    dated = contracted and contract is not None and bool(contract.later)
    when = f"by {stage.date}, " if dated and stage.date else ""
    message = (
        f"{when}the pods' budgets, {kilowatts(budgets)} of IT load, need {kilowatts(at_meter)} at the meter"
        f" (PUE {grid.pue:g}); limit: {kilowatts(limit)}"
    )
    hint = f"budgets of {kilowatts(int(limit / grid.pue))} together"
    if dated:
        hint += ", pods that come later, or more contracted by then"
    elif contracted:
        hint += ", or more contracted"
        if at_meter > (carried := int(grid.connection.apparent_va * grid.power_factor)):
            hint += f", and a connection that carries more than {kilowatts(carried)}"
    else:
        hint += ", or a larger connection"
    path: Path = stage.path if contracted else ("grid", "connection")
    over = f"{message} of contracted power" if contracted else message
    return Problem(path, over, f"at least {kilowatts(at_meter)} at the meter", hint)


def _scheduled_problems(site: Site, machines: Sequence[Consumer]) -> list[Problem]:
    """Slurm is to hold the power back where no job could draw any."""
    if site.power is None or not site.power.scheduled or any(machine.held for machine in machines):
        return []
    message = "no group of GPU nodes runs jobs, so there is nothing that Slurm could hold back"
    return [Problem(("power", "scheduled"), message, "GPU nodes that do `compute`", "remove the line")]


def _chain_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """PDUs that nobody knows, or on feeds that the site does not have."""
    problems: list[Problem] = []
    feeds = sorted(site.power.feeds) if site.power else []
    strict = site.power is not None and site.power.plan == "n-1"
    for pod_key, pod in site.pods.items():
        used = {slot.rack for group in pod.nodes.values() for slot in group.at}
        for rack_key, rack in pod.racks.items():
            if strict and rack_key in used and not rack.pdus:
                place = ("pods", pod_key, "racks", rack_key)
                message = f"{rack_key} has nodes and no PDUs, so the effect of a lost feed on them is not known"
                problems.append(Problem(place, message, "pdus on the feeds that the rack has", "pdus: {A: pdu-3x63a}"))
            for feed, sku in (rack.pdus or {}).items():
                path = ("pods", pod_key, "racks", rack_key, "pdus", feed)
                if feed not in feeds:
                    expected = f"one of {', '.join(feeds)}" if feeds else "a feed under `power: feeds:`"
                    problems.append(Problem(path, f"unknown feed {feed}", expected, f"add {feed} under power.feeds"))
                if sku not in catalog.pdus:
                    problems.append(unknown_sku(path, sku, catalog.pdus, catalog, "pdus"))
    return problems


def _size_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """UPS modules and cooling units that are named by a SKU that nobody knows."""
    feeds = site.power.feeds if site.power else {}
    named: list[tuple[Path, int | str, str, Collection[str]]] = [
        *(
            (("power", "feeds", key, "ups", "module"), feed.ups.module, "ups", catalog.ups)
            for key, feed in feeds.items()
            if feed.ups
        ),
        *(
            (("pods", key, part, "unit"), cooling.unit, "cooling", catalog.cooling)
            for key, pod in site.pods.items()
            for part, cooling in (("cooling", pod.cooling), ("liquidCooling", pod.liquid_cooling))
            if cooling
        ),
    ]
    return [
        unknown_sku(path, sku, known, catalog, kind)
        for path, sku, kind, known in named
        if isinstance(sku, str) and sku not in known
    ]


def _lost_problems(site: Site, machines: Sequence[Consumer]) -> list[Problem]:
    """Machines that are off after the loss of a feed, group by group."""
    assert site.power is not None  # noqa: S101 - the caller asked
    problems = []
    for feed in sorted(site.power.feeds):
        lost: dict[tuple[str, str, str], list[Consumer]] = {}
        for machine in flows(machines, feed).lost:
            lost.setdefault((machine.pod, machine.section, machine.group), []).append(machine)
        for (pod, section, group), found in lost.items():
            shown = ", ".join(str(machine.slot) for machine in found[:3]) + (" ..." if len(found) > 3 else "")  # noqa: PLR2004
            left = len([supply for supply in found[0].supplies if supply.feed != feed])
            message = f"with feed {feed} lost, {len(found)} of {group} are off ({shown}): {left} supplies are left"
            expected = f"at least {found[0].needed} supplies on other feeds"
            problems.append(Problem(("pods", pod, section, group), message, expected, more_feeds(found[0], site.power)))
    return problems


def _worst(found: Iterable[Limit], caps: Caps) -> list[Limit]:
    """Of each broken part of the stack the element (of a PDU: the phase) and the situation in which it is most over."""
    worst: dict[Path, Limit] = {}
    for limit in found:
        if limit.path not in worst or limit.margin_w(caps) < worst[limit.path].margin_w(caps):
            worst[limit.path] = limit
    return list(worst.values())


def _over(
    limit: Limit, caps: Caps, machines: Sequence[Consumer], first_caps: str | None = None, *, floor: bool = False
) -> Problem:
    draw_text = kilowatts(math.ceil(limit.load.draw_w(caps) * limit.factor))
    limit_text = kilowatts(math.floor(limit.limit_w))
    situation = "" if limit.situation == NORMAL else f" {limit.situation}"
    at_floor = " even at the GPUs' lowest power limits" if floor else ""
    message = f"needs {draw_text}{situation}{at_floor}; limit: {limit_text}, {limit.element}"
    return Problem(
        limit.path, message, f"at most {limit_text}", "; or ".join(what_fits(limit, caps, machines, first_caps))
    )
