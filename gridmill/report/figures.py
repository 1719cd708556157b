"""What cells of a page show: texts with what is to be noticed about them, and how full a limit is."""

from __future__ import annotations

from dataclasses import dataclass

TIGHT = 0.1
"""Share of a limit below which its margin is shown as tight."""


@dataclass(frozen=True)
class Figure:
    """A line of a cell; a cell is a tuple of them."""

    text: str
    kind: str = ""
    """`bad` for a problem, `note` for what is to be known."""
    lacking: str = ""
    """What is not in the figure, shown behind it as a problem."""
    simulated: bool = False


def margin_state(carries_w: float, limit_w: float) -> str:
    """`good`, `tight` or `over`."""
    left = limit_w - carries_w
    return "over" if left < 0 else "tight" if left < TIGHT * limit_w else "good"


def share(carries_w: float, limit_w: float) -> float:
    """How much of a limit is taken, at most 1; 1 of a limit of nothing."""
    return min(1.0, carries_w / limit_w) if limit_w else 1.0
