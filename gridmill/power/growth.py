"""A site's growth in numbers: stage by stage, and year by year for a request to the grid operator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gridmill.catalog import Catalog
from gridmill.core.errors import path_text
from gridmill.core.sections.site import Site
from gridmill.power import Draw, caps_of, pod_draw
from gridmill.power.contract import Unused, unused_power, way_out
from gridmill.power.limits import meter_limit_w
from gridmill.power.stages import NOW, Stage, stages


@dataclass(frozen=True)
class StageReport:
    """The site from one date on; power in W."""

    date: str | None
    """None for what stands."""
    coming: tuple[str, ...]
    """Pods that come at this date."""
    nodes: int
    gpus: int
    it_allocated_w: int
    it_nameplate_w: int
    meter_allocated_w: int
    """What can flow at once; no more than the limit where Slurm holds the site to it."""
    meter_at_work_w: int
    """What all machines at work would draw under their caps, whether it can flow at once or not."""
    meter_nameplate_w: int
    contract_w: int | None
    limit_w: int
    """What may be planned at the meter: contract, or connection with its margins."""

    @property
    def share(self) -> float:
        """Share of the limit that is allocated."""
        return self.meter_allocated_w / self.limit_w


@dataclass(frozen=True)
class YearLoad:
    """Highest load at the meter in one calendar year, in W."""

    year: int
    typical_w: int
    allocated_w: int
    nameplate_w: int
    contract_w: int | None
    """The highest contracted power of the year."""


@dataclass(frozen=True)
class GrowthReport:
    """How a site grows."""

    stages: tuple[StageReport, ...]
    years: tuple[YearLoad, ...]
    unused: tuple[Unused, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stages": [{**asdict(stage), "share": round(stage.share, 4)} for stage in self.stages],
            "years": [asdict(year) for year in self.years],
            "unused": [
                {
                    **asdict(item),
                    "path": path_text(item.path),
                    "unused_w": item.unused_w,
                    "share": round(item.share, 4),
                    "way_out": way_out(item),
                }
                for item in self.unused
            ],
        }


def growth_report(site: Site, catalog: Catalog, year: int) -> GrowthReport:
    """The growth of a checked site; `year` is the first of the years that are listed."""
    caps = caps_of(site, catalog)
    draws = {key: pod_draw(pod, catalog, caps) for key, pod in site.pods.items()}
    found = stages(site)
    reports = []
    before: frozenset[str] = frozenset()
    for stage in found:
        reports.append(_stage(site, catalog, draws, stage, before))
        before = stage.pods
    return GrowthReport(tuple(reports), tuple(_years(site, draws, found, year)), tuple(unused_power(site, catalog)))


def _stage(site: Site, catalog: Catalog, draws: dict[str, Draw], stage: Stage, before: frozenset[str]) -> StageReport:
    draw = _sum(draws, stage.pods)
    groups = [group for key in stage.pods for group in site.pods[key].nodes.values()]
    limit = meter_limit_w(site, stage.date)
    gpus = ((catalog.nodes[group.sku].gpu, len(group.at)) for group in groups)
    return StageReport(
        date=stage.date or None,
        coming=tuple(sorted(stage.pods - before)),
        nodes=sum(len(group.at) for group in groups),
        gpus=sum(gpu.count * count for gpu, count in gpus if gpu),
        it_allocated_w=draw.allocated_w,
        it_nameplate_w=draw.nameplate_w,
        meter_allocated_w=_held_w(site, draw.allocated_w, limit),
        meter_at_work_w=int(draw.allocated_w * site.grid.pue),
        meter_nameplate_w=int(draw.nameplate_w * site.grid.pue),
        contract_w=stage.contract_w,
        limit_w=limit,
    )


def _years(site: Site, draws: dict[str, Draw], found: list[Stage], first: int) -> Iterable[YearLoad]:
    """One row a year until the last change has applied for a whole year."""
    last = max((int(stage.date[:4]) for stage in found if stage.date), default=first)
    for year in range(first, max(last + 1, first) + 1):
        reached = [stage for stage in found if stage.date <= f"{year}-12-31"]
        # what applied when the year began counts as well as what began in it
        begun = max((stage.date for stage in reached if stage.date <= f"{year}-01-01"), default=NOW)
        draw = _sum(draws, reached[-1].pods)
        contracts = [stage.contract_w for stage in reached if stage.date >= begun and stage.contract_w is not None]
        limit = max(meter_limit_w(site, stage.date) for stage in reached if stage.date >= begun)
        yield YearLoad(
            year,
            _held_w(site, draw.typical_w, limit),
            _held_w(site, draw.allocated_w, limit),
            int(draw.nameplate_w * site.grid.pue),
            max(contracts, default=None),
        )


def _held_w(site: Site, it_w: int, limit_w: int) -> int:
    """An IT load at the meter; where Slurm holds the site, what is above the limit waits."""
    meter_w = int(it_w * site.grid.pue)
    return min(meter_w, limit_w) if site.power and site.power.scheduled else meter_w


def _sum(draws: dict[str, Draw], pods: Iterable[str]) -> Draw:
    return sum((draws[key] for key in pods), Draw())
