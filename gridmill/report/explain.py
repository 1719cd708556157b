"""Why a number of the power plan is what it is: inputs, formula, source."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from gridmill.catalog import Catalog
from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.core.people import nearest
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.features.slurm.watts import WattsPlan, plan_watts
from gridmill.power.consumers import Caps, consumers
from gridmill.power.limit import Limit
from gridmill.power.limits import limits
from gridmill.power.problems import planned_caps

LARGEST_SHARE = 1000
"""Into how many parts supplies, feeds and phases split a machine's load at most."""


def explain(site: Site, catalog: Catalog, path: str) -> list[str]:
    """Lines about the limits at a place of the stack, such as `power.feeds.B.ups`, or about `power.caps`.

    ProblemsError when no limit stands there, with the places that have one.
    """
    machines = consumers(site, catalog)
    rows = list(limits(site, catalog, machines))
    caps, _ = planned_caps(site, machines, rows)
    if path == "power.caps":
        return list(_caps(site, caps, rows))
    if path == "power.scheduled" and (watts := plan_watts(site, catalog, caps)):
        return [*_watts(watts, site.grid.pue), *_sources(catalog, sorted({one.sku for one in machines}), rows)]
    found = [row for row in rows if path_text(row.path) == path]
    if not found:
        known = list(dict.fromkeys(["power.caps", *(path_text(row.path) for row in rows)]))
        hint = nearest(path, known, "")
        raise ProblemsError(
            [Problem((), f"no limit stands at {path}", f"one of {', '.join(known)}", hint)], "the command"
        )
    lines: list[str] = []
    for element in dict.fromkeys(row.element for row in found):
        lines.append(f"{element} ({path})")
        for row in sorted((row for row in found if row.element == element), key=lambda row: row.margin_w(caps)):
            lines += _row(row, caps)
    return [*lines, *_sources(catalog, sorted({machine.sku for machine in machines}), found)]


def _row(row: Limit, caps: Caps) -> Iterator[str]:
    """Load, limit and margin in one situation."""
    draw = row.load.draw_w(caps)
    parts = [f"{kilowatts(round(row.load.fixed_w))} without GPUs"]
    parts += [
        f"{_count(count)} GPUs of {kind.group} x {kind.cap_w(caps)} W"
        for kind, count in sorted(row.load.gpus.items(), key=lambda item: (item[0].group, item[0].type))
    ]
    pue = f" x PUE {row.factor:g}" if row.factor != 1 else ""
    sum_ = " + ".join(parts)
    yield f"  {row.situation}:"
    yield f"    load   {kilowatts(round(draw * row.factor))} = " + (f"({sum_}){pue}" if pue else sum_)
    yield f"    limit  {kilowatts(round(row.limit_w))} = {row.basis}"
    yield f"    margin {kilowatts(round(row.margin_w(caps)))}"


def _count(gpus: float) -> str:
    """A number of GPUs; shares of a machine's supplies as a fraction, `5 1/3`."""
    share = Fraction(gpus).limit_denominator(LARGEST_SHARE)
    whole, left = divmod(share.numerator, share.denominator)
    parts = [f"{left}/{share.denominator}"] if left else []
    return " ".join([str(whole), *parts] if whole or not parts else parts)


def _caps(site: Site, caps: Caps, rows: list[Limit]) -> Iterator[str]:
    """The caps, and which limit is the first that one watt more would break."""
    if site.power is None or not caps:
        yield "no power limit is planned: power.caps is none"
        return
    shown = ", ".join(f"{group} {watts} W" for group, watts in sorted(caps.items()))
    yield f"power limit per GPU: {shown}, " + ("planned" if site.power.caps == "auto" else "as the stack says")
    more = {group: watts + 1 for group, watts in caps.items()}
    broken = [row for row in rows if row.holds(caps) and not row.holds(more)]
    for row in sorted(broken, key=lambda row: row.margin_w(more)):
        yield f"  one watt more breaks {row.element} {row.situation} ({path_text(row.path)})"
    if not broken:
        yield "  one watt more would break no limit"


def _watts(watts: WattsPlan, pue: float) -> Iterator[str]:
    """What Slurm hands out, and what a job takes."""
    yield f"jobs may draw {kilowatts(watts.total_w)} above idle together"
    yield f"  = {watts.limit} {kilowatts(watts.meter_limit_w)} / PUE {pue:g}"
    yield f"  - {kilowatts(watts.base_w)} without any job: GPU nodes that run jobs idle, everything else at its most"
    for name, kind in watts.partitions.items():
        yield f"a job in {name}, of {kind.nodes} nodes, takes the larger of these, and all of a node at most:"
        yield f"  all of a node {kind.node_w} W = allocated - idle"
        yield f"  per GPU {kind.gpu_w} W, per hardware thread {kind.cpu_w} W: its share of that, rounded up"
        yield f"  per node {kind.gpu_w} W at least" + ("; shares of GPUs and threads add up" if kind.mixed else "")


def _sources(catalog: Catalog, skus: list[str], rows: list[Limit]) -> Iterator[str]:
    """Where the numbers of the machines come from."""
    if not rows:
        return
    yield "sources:"
    for sku in skus:
        entry = catalog.nodes.get(sku) or catalog.equipment.get(sku)
        for source in entry.sources if entry else ():
            if "power" in source.of or "supplies" in source.of:
                yield f"  {sku} {source.of}: {source.from_} ({source.confidence})"
