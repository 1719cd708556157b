"""Power level by level, as a preview shows it: the meter, every feed, every pod, and whatever is tightest."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.core.units import kilowatts
from gridmill.power import PowerAnalysis
from gridmill.power.consumers import Caps
from gridmill.power.limit import NORMAL, Limit
from gridmill.power.limits import limits


@dataclass(frozen=True)
class PowerLevel:
    """What the plan puts on one level, in the situation of the policy in which least is left."""

    planned_w: int
    limit_w: int
    situation: str = ""
    """What was lost; empty in normal operation."""
    element: str = ""
    """What carries it, where the level's name doesn't say."""

    @property
    def margin_w(self) -> int:
        """What is left."""
        return self.limit_w - self.planned_w


@dataclass(frozen=True)
class PowerLevels:
    """Levels of a site, over the installed pods."""

    meter: PowerLevel
    feeds: dict[str, PowerLevel]
    """By letter; none for a feed without a breaker or a UPS of its own."""
    pods: dict[str, PowerLevel]
    tightest: PowerLevel
    """Whichever limit has the smallest share of itself left."""


def power_levels(work: PowerAnalysis) -> PowerLevels:
    """The levels of a checked site."""
    caps = work.caps
    meter: list[Limit] = []
    feeds: dict[str, list[Limit]] = {}
    pods: dict[str, list[Limit]] = {}
    rows = _standing_rows(work)
    for row in rows:
        match row.path:
            case ("grid", *_):
                meter.append(row)
            case ("power", "feeds", feed, *_):
                feeds.setdefault(str(feed), []).append(row)
            case ("pods", pod, "budget"):
                pods.setdefault(str(pod), []).append(row)
    return PowerLevels(
        meter=_least(meter, caps),
        feeds={key: _least(found, caps) for key, found in sorted(feeds.items())},
        pods={key: _least(found, caps) for key, found in sorted(pods.items())},
        tightest=_level(
            min(rows, key=lambda row: (round(row.margin_w(caps) / (row.limit_w or 1), 6), row.element)),
            caps,
            named=True,
        ),
    )


def _standing_rows(work: PowerAnalysis) -> list[Limit]:
    """Limits of the installed pods."""
    standing = {key: pod for key, pod in work.site.pods.items() if pod.from_ is None}
    if len(standing) == len(work.site.pods):
        return work.rows
    site = work.site.model_copy(update={"pods": standing})
    return list(limits(site, work.catalog, [one for one in work.machines if one.pod in standing]))


def _least(rows: list[Limit], caps: Caps) -> PowerLevel:
    return _level(min(rows, key=lambda row: row.margin_w(caps)), caps)


def _level(row: Limit, caps: Caps, *, named: bool = False) -> PowerLevel:
    carries, limit = row.whole_w(caps)
    situation = "" if row.situation == NORMAL else row.situation
    return PowerLevel(carries, limit, situation, row.element if named else "")


def level_text(name: str, before: PowerLevel | None, now: PowerLevel) -> str:
    """`at the meter 27.9 -> 38.1 kW of 41.4 kW (margin 3.3 kW)`; without what was before, only what will be."""
    changed = before is not None and before.planned_w != now.planned_w
    was = f"{kilowatts(before.planned_w).removesuffix(' kW')} -> " if before and changed else ""
    limit = kilowatts(now.limit_w)
    if before and before.limit_w != now.limit_w:
        limit += f", before {kilowatts(before.limit_w)}"
    situation = f" {now.situation}" if now.situation else ""
    return f"{name} {was}{kilowatts(now.planned_w)} of {limit}{situation} (margin {kilowatts(now.margin_w)})"


def levels_text(before: PowerLevels | None, now: PowerLevels) -> str:
    """The one line of a preview: the meter, feeds and pods that change, and what is tightest."""
    levels = {f"feed {key}": level for key, level in now.feeds.items()} | now.pods
    old = {f"feed {key}": level for key, level in before.feeds.items()} | before.pods if before else {}
    parts = [level_text("at the meter", before.meter if before else None, now.meter)]
    parts += [level_text(name, old.get(name), level) for name, level in levels.items() if old.get(name) != level]
    parts += [f"{name} goes" for name in old if name not in levels]
    tightest = now.tightest
    if not any((level.planned_w, level.limit_w) == (tightest.planned_w, tightest.limit_w) for level in levels.values()):
        same = before and before.tightest.element == tightest.element
        parts.append(
            "tightest: " + level_text(tightest.element, before.tightest if before and same else None, tightest)
        )
    return "power: " + "; ".join(parts)
