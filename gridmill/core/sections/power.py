"""The electrical chain inside a site, what the plan may use of it, and what it must survive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from gridmill.core.base import GroupKey, Part, SkuId, text
from gridmill.core.sections.meters import Meter, MeterKey, Snmp
from gridmill.core.units import Connection, VoltAmperes, Watts

FeedKey = Annotated[str, text(r"^[A-F]$", "the key of a feed: one capital from A to F")]
"""Letter of a feed: A, B, C ..."""


def _cap_of_a_group(value: object) -> object:
    """Refuse a policy where one group's limit belongs."""
    if value not in ("auto", "none"):
        return value
    message = "{found} is for all groups together, no power limit of one"
    context = {"found": value, "expected": "a power such as 650 W", "hint": f"caps: {value}"}
    raise PydanticCustomError("quantity", message, context)


CapWatts = Annotated[Watts, BeforeValidator(_cap_of_a_group)]
"""Power limit of one group."""

Caps = Annotated[
    Annotated[dict[GroupKey, CapWatts], Tag("(mapping)")] | Annotated[Literal["auto", "none"], Tag("(word)")],
    Discriminator(lambda value: "(mapping)" if isinstance(value, dict) else "(word)"),
]
"""Power limits by group, or the name of a policy."""


def _written_as(value: object) -> str:
    """Whether a size is a quantity, or the SKU of something with that size."""
    return "(word)" if isinstance(value, str) and value[:1].isalpha() else "(quantity)"


ModuleSize = Annotated[
    Annotated[VoltAmperes, Tag("(quantity)")] | Annotated[SkuId, Tag("(word)")], Discriminator(_written_as)
]
"""Apparent power, or a SKU in ups/."""

HeatSize = Annotated[Annotated[Watts, Tag("(quantity)")] | Annotated[SkuId, Tag("(word)")], Discriminator(_written_as)]
"""Heat, or a SKU in cooling/."""

CODE_FACTORS = {"iec": 1.0, "nec": 0.8}
"""Share of a breaker's rating that continuous load may take: IEC 60364 / NEN 1010 know no general derating below the
rating (Ib <= In), NEC article 210.20 and 215.3 allow 80 % for loads of three hours and more. Unverified: from memory of
both codes."""

DESIGN_MARGINS = {"iec": 0.8, "nec": 1.0}
"""Share that a careful planner uses on top; under NEC the code's own 80 % is that margin already. A policy, not a
law."""


class Ups(Part):
    """An uninterruptible power supply of equal modules."""

    modules: Annotated[int, Field(ge=1, le=64)]
    """Modules that share the load."""
    module: ModuleSize
    """Apparent power of one module, such as `50 kVA`, or its SKU, such as `ups-50kva`."""


class Feed(Part):
    """One independent way of the power to the racks."""

    breaker: Connection | None = None
    """Protection of the feed, such as `3x160A`; none when the connection's own is the only one."""
    ups: Ups | None = None
    """Modules that carry the feed; none when it comes straight from the grid."""


class Cooling(Part):
    """Equal cooling units of a pod."""

    units: Annotated[int, Field(ge=1, le=64)]
    """Units that share the heat."""
    unit: HeatSize
    """Heat that one unit removes, such as `40 kW`, or its SKU, such as `rear-door-40kw`."""


class Power(Part):
    """Feeds, margins, redundancy, and the caps that make a plan hold."""

    feeds: Annotated[dict[FeedKey, Feed], Field(min_length=1)]
    """Feeds by letter; a node's power supplies are spread evenly over the feeds that its rack has PDUs of."""
    practice: Literal["iec", "nec"] = "iec"
    """Rules for continuous load: `iec` (Europe) uses breakers up to their rating, `nec` (USA) up to 80 % of it."""
    design_margin: Annotated[float, Field(gt=0, le=1, strict=False)] | None = None
    """Share of every electrical limit that the plan may use; by default 0.8, and 1 under `nec`."""
    plan: Literal["n", "n-1"] = "n"
    """`n-1`: all limits also hold after the loss of any one feed, UPS module, PDU, power supply or cooling unit."""
    caps: Caps = "none"
    """Power limit per GPU by group of nodes; `auto` takes the highest one, the same for all, that holds every
    limit."""
    scheduled: bool = False
    """Whether Slurm holds the connection and the contract: there may be more GPU nodes than these carry at once, and a
    job waits until its watts are free. Everything below (budgets, feeds, racks, cooling) still carries all of it."""

    meters: Annotated[dict[MeterKey, Meter], Field(default_factory=dict)]
    """Meters that `gridmill power --measured` and `gridmill status` ask, such as
    `{main: {measures: grid, sku: eastron-sdm630, address: 10.40.0.30}}`."""
    snmp: Snmp | None = None
    """How those of them are asked that speak SNMP."""

    @property
    def margin(self) -> float:
        """The design margin that applies."""
        return self.design_margin if self.design_margin is not None else DESIGN_MARGINS[self.practice]

    @property
    def usable(self) -> float:
        """Share of an electrical rating that the plan may use: the code's factor times the design margin."""
        return CODE_FACTORS[self.practice] * self.margin
