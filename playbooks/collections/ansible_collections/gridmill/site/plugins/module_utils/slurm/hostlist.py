"""Slurm's host list expressions, as far as a plan writes them."""

from __future__ import annotations

import re

_GROUP = re.compile(r"^(?P<head>[^\[\]]*)\[(?P<body>[^\[\]]+)\](?P<tail>.*)$")


def expand(expression: str) -> list[str]:
    """Names of `a-u[01-03,09],b`, in order. Raises ValueError for what is no host list."""
    return [name for part in _split(expression) for name in _expand_one(part)]


def _split(expression: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for character in expression:
        depth += (character == "[") - (character == "]")
        if depth not in (0, 1):
            raise ValueError(f"not a host list: {expression!r}")
        if character == "," and depth == 0:
            parts.append(current)
            current = ""
        else:
            current += character
    if depth != 0:
        raise ValueError(f"not a host list: {expression!r}")
    return [part for part in (*parts, current) if part]


def _expand_one(part: str) -> list[str]:
    found = _GROUP.match(part)
    if found is None:
        return [part]
    names = []
    for piece in found["body"].split(","):
        first, dash, last = piece.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"not a host list: {part!r}")
        for number in range(int(first), int(last if dash else first) + 1):
            names += _expand_one(f"{found['head']}{number:0{len(first)}d}{found['tail']}")
    return names
