"""Pods: racks, and groups of equal nodes in their slots."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.errors import printable
from gridmill.model.base import GroupKey, Part, RackKey, SkuId
from gridmill.model.ranges import LARGEST_GROUP, every_slot
from gridmill.units import Watts

Service = Literal["controller", "login", "storage", "compute"]
"""What a node does for the site."""

MAXIMUM_UNIT = 63
"""Highest rack unit that an address block of 64 per rack can hold."""


class Slot(NamedTuple):
    """A place in a pod: rack key and lowest rack unit."""

    rack: str
    unit: int

    def __str__(self) -> str:
        """As written in the stack: `r1/u9`."""
        return f"{self.rack}/u{self.unit}"


def parse_slot(value: object) -> Slot:
    """`"r1/u9"` as Slot("r1", 9)."""
    if isinstance(value, Slot):
        return value
    pattern = r"([a-z](?:-?[a-z0-9]){0,11})/u(0?[1-9]|[1-5][0-9]|6[0-3])"
    match = re.fullmatch(pattern, value, re.ASCII) if isinstance(value, str) else None
    if not match:
        expected = f"rack and lowest unit, such as r1/u9 or r[1-12]/u[1,9] (units 1 to {MAXIMUM_UNIT})"
        raise PydanticCustomError(
            "slot", "{found} is not a slot", {"found": printable(value), "expected": expected, "hint": ""}
        )
    return Slot(match[1], int(match[2]))


SlotPlace = Annotated[
    Slot,
    BeforeValidator(parse_slot),
    WithJsonSchema({"type": "string", "pattern": r"^[a-z][a-z0-9-]*(\[[0-9,-]+\])?/u([0-9]{1,2}|\[[0-9,-]+\])$"}),
]


class Rack(Part):
    """A rack of a pod."""

    index: Annotated[int, Field(ge=1, le=255)] | None = None
    """Number of the rack's address block; by default the number at the end of its key (r7 is 7)."""
    height: Annotated[int, Field(ge=1, le=MAXIMUM_UNIT)] = 48
    """Rack units."""


class NodeGroup(Part):
    """Equal nodes: one SKU at one or more slots."""

    sku: SkuId
    """SKU in the catalogue, or beside the stack in `inventories/<site>/skus/`."""
    at: Annotated[list[SlotPlace], BeforeValidator(every_slot), Field(min_length=1, max_length=LARGEST_GROUP)]
    """Slots, such as `r1/u9`, or ranges of them, such as `r[1-12]/u[1,9,17,25]`. A node's name and address come from
    pod, rack and unit, so the order does not matter."""
    services: list[Service] | None = None
    """What the nodes do; by default what their SKU is made for."""


class Pod(Part):
    """A unit of growth: racks with nodes, and a power budget that they must fit."""

    index: Annotated[int, Field(ge=1, le=4095)] | None = None
    """Number of the pod's address block; by default from the end of its key (pod-a is 1, pod-7 is 7)."""
    budget: Watts
    """IT power that the pod may draw, such as `30 kW`."""
    racks: Annotated[dict[RackKey, Rack], Field(min_length=1)]
    """Racks by key."""
    nodes: Annotated[dict[GroupKey, NodeGroup], Field(min_length=1)]
    """Groups of equal nodes by key."""
