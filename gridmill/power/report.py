"""What a person wants to know of a site's power: every limit with its margin, and what each loss costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gridmill.catalog import Catalog
from gridmill.core.errors import Path, path_text
from gridmill.core.sections.site import Site
from gridmill.power import PowerAnalysis, analyse
from gridmill.power.caps import highest_uniform_cap
from gridmill.power.consumers import Caps, Consumer
from gridmill.power.limit import NORMAL, Limit
from gridmill.power.limits import flows, limits


@dataclass(frozen=True)
class LimitReport:
    """One limit, in the situation of the policy in which least is left."""

    path: str
    element: str
    situation: str
    carries_w: int
    limit_w: int
    margin_w: int


@dataclass(frozen=True)
class LossReport:
    """What a loss means for the machines: how many keep all of their power, need a cap, or are off."""

    situation: str
    survive: int
    survive_at_cap: int
    lost: int
    gpu_cap_w: int | None
    """Highest limit per GPU, the same for all, that holds every limit then; None when none does, or without GPUs."""


@dataclass(frozen=True)
class PowerReport:
    """A site's power in numbers."""

    gpu_caps_w: dict[str, int]
    """Planned power limit per GPU by group of nodes; empty without caps."""
    feeds: tuple[str, ...]
    """Letters of the feeds."""
    limits: tuple[LimitReport, ...]
    losses: tuple[LossReport, ...]
    """One per situation in which something is lost, whatever the policy asks."""

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def power_report(site: Site, catalog: Catalog, work: PowerAnalysis | None = None) -> PowerReport:
    """The report of a site, whether it holds its limits or not; `work` is its power, where that was done before."""
    work = work or analyse(site, catalog)
    caps = work.caps
    return PowerReport(
        gpu_caps_w=dict(sorted(caps.items())),
        feeds=tuple(sorted(site.power.feeds)) if site.power else (),
        limits=tuple(_limit_reports(work.rows, caps)),
        losses=tuple(_loss_reports(work)),
    )


def _limit_reports(rows: Iterable[Limit], caps: Caps) -> Iterable[LimitReport]:
    least: dict[tuple[Path, str], Limit] = {}
    for row in rows:
        key = (row.path, row.element)
        if key not in least or row.margin_w(caps) < least[key].margin_w(caps):
            least[key] = row
    for (path, element), row in least.items():
        carries, limit = row.whole_w(caps)
        yield LimitReport(path_text(path), element, row.situation, carries, limit, limit - carries)


def _loss_reports(work: PowerAnalysis) -> Iterable[LossReport]:
    site, machines, caps = work.site, work.machines, work.caps
    if site.power is None:
        return
    situations: dict[str, list[Limit]] = {}
    for row in work.rows if site.power.plan == "n-1" else _strict(site, work.catalog, machines):
        if row.situation != NORMAL:
            situations.setdefault(_kind(row.situation), []).append(row)
    for situation, rows in situations.items():
        feed = next((key for key in site.power.feeds if situation == f"with feed {key} lost"), "")
        off = len(flows(machines, feed).lost) if feed else 0
        holds = all(row.holds(caps) for row in rows)
        on = len(machines) - off
        best = highest_uniform_cap(rows, machines)
        survive, capped = (on, 0) if holds else (0, on) if best is not None else (0, 0)
        yield LossReport(situation, survive, capped, len(machines) - survive - capped, best)


def _strict(site: Site, catalog: Catalog, machines: list[Consumer]) -> Iterable[Limit]:
    """The limits as N-1 asks for them, where the policy does not."""
    power = site.power.model_copy(update={"plan": "n-1"}) if site.power else None
    return limits(site.model_copy(update={"power": power}), catalog, machines)


def _kind(situation: str) -> str:
    """Situations that people see as one: a supply lost, whichever machine's."""
    return (
        "with one supply of any machine lost" if "supply of" in situation or situation == "with one lost" else situation
    )
