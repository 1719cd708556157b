"""In which order nodes are changed: few first, then more, so that a change that fails fails on few."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

PERCENT = "%"


def waves(nodes: Sequence[str], steps: Sequence[str], of: int | None = None) -> list[list[str]]:
    """Split `nodes`, in their order, into waves.

    Each step is a number of nodes (`1`) or a share (`25 %`) of `of` nodes, rounded up, at least one; by default of the
    nodes given. The last step is repeated until none is left. ValueError without a step, or with one below 1.
    """
    if not steps:
        raise ValueError("waves need a step")
    sizes = [size_of(step, len(nodes) if of is None else of) for step in steps]
    found: list[list[str]] = []
    start = 0
    while start < len(nodes):
        size = sizes[min(len(found), len(sizes) - 1)]
        found.append(list(nodes[start : start + size]))
        start += size
    return found


def size_of(step: str, total: int) -> int:
    """Nodes in a step. ValueError when it is neither a number nor a share, or is below one."""
    text = step.strip()
    if text.endswith(PERCENT):
        share = float(text.removesuffix(PERCENT))
        if not 0 < share <= 100:  # noqa: PLR2004 - per cent
            raise ValueError(f"{step!r} is not a share above 0 and up to 100 %")
        return max(1, ceil(total * share / 100 - 1e-9))
    if (size := int(text)) < 1:
        raise ValueError(f"{step!r} is below one node")
    return size
