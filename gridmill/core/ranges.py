"""Slots written as ranges: `r[1-42]/u[1,9,17]` stands for 126 slots, in one short line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from gridmill.core.errors import Path

LARGEST_RANGE = 255 * 63
"""Slots that one expression may stand for: every unit of as many racks as a pod can hold."""

LARGEST_GROUP = 100_000
"""Slots that a group may have written; more is a mistake or an attack."""

_NUMBERS = r"\[[0-9]{1,3}(?:-[0-9]{1,3})?(?:,[0-9]{1,3}(?:-[0-9]{1,3})?)*\]"
_EXPRESSION = re.compile(rf"([a-z][a-z0-9-]*)({_NUMBERS})?/u([0-9]{{1,2}}|{_NUMBERS})", re.ASCII)


def slots_of(item: Any) -> list[Any]:
    """The slots that an item of a group's `at` stands for, as text; an item that is not a range stands for itself."""
    match = _EXPRESSION.fullmatch(item) if isinstance(item, str) and "[" in item else None
    if match is None:
        return [item]
    racks = (match[1] + number for number in _numbers(match[2] or ""))
    slots = (f"{rack}/u{unit}" for rack in racks for unit in _numbers(match[3]))
    found = list(itertools.islice(slots, LARGEST_RANGE + 1))
    return found if 0 < len(found) <= LARGEST_RANGE else [item]


def every_slot(items: Any) -> Any:
    """A group's `at` with its ranges written out; what is not a list is left for others to refuse."""
    if not isinstance(items, list):
        return items
    return list(itertools.islice((slot for item in items for slot in slots_of(item)), LARGEST_GROUP + 1))


def as_written(path: Path, data: Any) -> Path:
    """The path of a slot in the definition as it was written, where one item may stand for many slots."""
    match path:
        case ("pods", pod, ("nodes" | "equipment") as section, group, "at", int(position), *rest):
            items = data["pods"][pod][section][group]["at"]
            ends = itertools.accumulate(len(slots_of(item)) for item in items)
            index = next((number for number, end in enumerate(ends) if position < end), position)
            return (*path[:5], index, *rest)
    return path


def _numbers(text: str) -> Iterator[str]:
    """The numbers of `[01-03,7]`, as wide as they are written; text without brackets stands for itself."""
    for part in text.strip("[]").split(","):
        low, _, high = part.partition("-")
        if not high:
            yield low
            continue
        for value in range(int(low), int(high) + 1):
            yield f"{value:0{len(low)}d}"
