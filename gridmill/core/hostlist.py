"""Slurm's host list expressions: many names as few ranges, and back.

Slurm allows two numeric ranges in a name, one of them at its end (slurm.conf(5), NodeName):
`pod-a-r[1-2]-u[01,09]` stands for four nodes.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)\Z", re.DOTALL)
_NUMBER_BEFORE_RANGE = re.compile(r"(.*?)([0-9]+)([^0-9\[]+(?:\[[^\]]*\]|[0-9]+))\Z", re.DOTALL)
_LAST_NUMBER_BARE = re.compile(r"([0-9]+)\Z")
"""A number at the end that is in no brackets; it gets some, since one range must end the name."""
_EXPRESSION = re.compile(r"(?:[^,\[]|\[[^\]]*\])+")
"""One of several; commas inside of brackets separate numbers."""
_BRACKETS = re.compile(r"\[([0-9,-]+)\]")


def fold(names: Iterable[str]) -> list[str]:
    """Expressions that together stand for exactly these names, in a stable order."""
    plain: set[str] = set()
    ends: dict[str, set[str]] = defaultdict(set)
    for name in set(names):
        if match := _LAST_NUMBER.match(name):
            ends[match[1]].add(match[2])
        else:
            plain.add(name)
    folded = [prefix + _ranges(part) for prefix, numbers in ends.items() for part in _alike(numbers)]
    middles: dict[tuple[str, str], set[str]] = defaultdict(set)
    for expression in folded:
        if match := _NUMBER_BEFORE_RANGE.match(expression):
            middles[(match[1], match[3])].add(match[2])
        else:
            plain.add(expression)
    for (head, tail), numbers in middles.items():
        for part in _alike(numbers):
            plain.add(head + _ranges(part) + (tail if len(part) == 1 else _LAST_NUMBER_BARE.sub(r"[\1]", tail)))
    return sorted(plain, key=_natural)


def expand(expression: str) -> Iterator[str]:
    """All names that one expression stands for, in order."""
    match = _BRACKETS.search(expression)
    if match is None:
        yield expression
        return
    head, tail = expression[: match.start()], expression[match.end() :]
    for number in _numbers(match[1]):
        yield from expand(head + number + tail)


def names(expressions: str) -> Iterator[str]:
    """All names that expressions with commas between them stand for, as Slurm lists nodes: `a[1-2],b` as a1, a2, b."""
    for expression in _EXPRESSION.findall(expressions):
        yield from expand(expression)


def _alike(numbers: set[str]) -> list[set[str]]:
    """Numbers that can share a range: all of one width when it has zero-padded ones, else of any width."""
    padded = {len(number) for number in numbers if number.startswith("0") and len(number) > 1}
    classes: dict[int, set[str]] = defaultdict(set)
    for number in numbers:
        classes[len(number) if len(number) in padded else 0].add(number)
    return list(classes.values())


def _ranges(numbers: set[str]) -> str:
    """`{"01", "02", "09"}` as `[01-02,09]`, a single number as itself; the numbers are `_alike`."""
    if len(numbers) == 1:
        return next(iter(numbers))
    width = min(len(number) for number in numbers)
    values = sorted(int(number) for number in numbers)
    parts: list[str] = []
    start = previous = values[0]
    for value in [*values[1:], None]:
        if value is not None and value == previous + 1:
            previous = value
            continue
        parts.append(f"{start:0{width}d}" if start == previous else f"{start:0{width}d}-{previous:0{width}d}")
        if value is not None:
            start = previous = value
    return f"[{','.join(parts)}]"


def _numbers(ranges: str) -> Iterator[str]:
    for part in ranges.split(","):
        low, _, high = part.partition("-")
        for value in range(int(low), int(high or low) + 1):
            yield f"{value:0{len(low)}d}"


def _natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that puts r2 before r10."""
    parts = re.split(r"([0-9]+)", text.replace("[", ""))
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part]
