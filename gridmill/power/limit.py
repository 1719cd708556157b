"""One limit in one situation. All loads are linear in the caps: a constant, and a number of GPUs per class."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from gridmill.core.errors import Path
from gridmill.power.consumers import Caps, Consumer, GpuClass

NORMAL = "in normal operation"
TOLERANCE_W = 1e-6
"""Rounding of the sums of shares."""


@dataclass
class Load:
    """A sum of shares of machines."""

    fixed_w: float = 0.0
    gpus: dict[GpuClass, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, consumer: Consumer, share: float) -> None:
        """Add a share of a machine."""
        self.fixed_w += consumer.fixed_w * share
        if consumer.gpu:
            self.gpus[consumer.gpu] += consumer.gpus * share

    def plus(self, consumer: Consumer, share: float) -> Load:
        """This load and a share of a machine."""
        made = Load(self.fixed_w)
        made.gpus.update(self.gpus)
        made.add(consumer, share)
        return made

    def draw_w(self, caps: Caps) -> float:
        """The load in W under these caps."""
        return self.fixed_w + sum(count * kind.cap_w(caps) for kind, count in self.gpus.items())


@dataclass(frozen=True)
class Limit:
    """One limit in one situation."""

    path: Path
    """Where the limit stands in the stack definition."""
    element: str
    """What it is, for people: `phase L1 of the PDU of feed A in pod-a/r1`."""
    situation: str
    """`in normal operation`, or what was lost."""
    limit_w: float
    load: Load
    factor: float = 1.0
    """What a W of IT load is at this element (PUE at the meter)."""
    basis: str = ""
    """How the limit comes about, for people."""

    def margin_w(self, caps: Caps) -> float:
        """What is left under these caps; negative when the limit is broken."""
        return self.limit_w - self.load.draw_w(caps) * self.factor

    def whole_w(self, caps: Caps) -> tuple[int, int]:
        """Draw under these caps and limit in whole W: the same draw is the same number under every limit that holds,
        and what holds to a fraction of a W still does in whole ones."""
        draw = self.load.draw_w(caps) * self.factor
        carries = math.floor(draw + TOLERANCE_W) if self.holds(caps) else math.ceil(draw - TOLERANCE_W)
        return carries, math.floor(self.limit_w + TOLERANCE_W)

    def holds(self, caps: Caps) -> bool:
        """Whether the limit is kept."""
        return self.margin_w(caps) >= -TOLERANCE_W
