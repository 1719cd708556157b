"""Cap planning: the highest GPU power limits, in whole W, that hold every limit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gridmill.power.consumers import Caps, Consumer
from gridmill.power.limit import Limit


def cap_range(machines: Iterable[Consumer], groups: Sequence[str]) -> tuple[int, int] | None:
    """Lowest and highest limit in W that any GPU of these groups accepts; None without GPUs."""
    kinds = [machine.gpu for machine in machines if machine.gpu and machine.group in groups]
    return (min(kind.min_w for kind in kinds), max(kind.max_w for kind in kinds)) if kinds else None


def broken(limits: Iterable[Limit], caps: Caps) -> list[Limit]:
    """Limits that do not hold under these caps."""
    return [limit for limit in limits if not limit.holds(caps)]


def highest_uniform_cap(limits: Sequence[Limit], machines: Sequence[Consumer]) -> int | None:
    """The highest limit, the same for every GPU, under which all limits hold; None when not even the lowest does.

    A type whose range ends below it runs at its own highest, one whose range starts above at its own lowest.
    """
    groups = sorted({machine.group for machine in machines if machine.gpu})
    found = cap_range(machines, groups)
    if found is None:
        return None
    tight = broken(limits, dict.fromkeys(groups, found[1]))  # what holds at the highest holds at all others
    return _highest(*found, lambda watts: not _any_broken(tight, dict.fromkeys(groups, watts)))


def caps_by_priority(
    limits: Sequence[Limit], machines: Sequence[Consumer], order: Sequence[str]
) -> dict[str, int] | None:
    """Caps by group: the first of `order` gets as much as can be had while all others run at their lowest, then the
    next. None when the lowest limits of all break a limit."""
    caps: dict[str, int] = {}
    ranges: dict[str, tuple[int, int]] = {}
    for group in order:
        if found := cap_range(machines, [group]):
            caps[group], ranges[group] = found[0], found
    if _any_broken(limits, caps):
        return None
    for group, (low, high) in ranges.items():
        best = _highest(low, high, lambda watts, group=group: not _any_broken(limits, {**caps, group: watts}))  # type: ignore[misc]
        caps[group] = best if best is not None else low
    return caps


def _any_broken(limits: Iterable[Limit], caps: Caps) -> bool:
    return any(not limit.holds(caps) for limit in limits)


def _highest(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The highest whole number in a range that holds, where lower ones hold when a higher one does."""
    if not holds(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
