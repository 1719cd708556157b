"""Pods: racks, and groups of equal nodes in their slots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import PLAIN_SENTENCE, PLAIN_TEXT, GroupKey, Part, PodKey, RackKey, SkuId, text
from gridmill.core.dates import PlannedDate
from gridmill.core.errors import printable
from gridmill.core.ranges import LARGEST_GROUP, every_slot
from gridmill.core.sections.machines import Machine
from gridmill.core.sections.power import Cooling, FeedKey
from gridmill.core.units import Watts

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


def parse_slot_key(value: object) -> Slot:
    """A slot as a key: written in one way only, or two keys could mean the same place."""
    slot = parse_slot(value)
    if not isinstance(value, Slot) and value != str(slot):
        context = {"found": printable(value), "expected": "no leading zero", "hint": f"write {slot}"}
        raise PydanticCustomError("slot", "{found} is not how a slot is written as a key", context)
    return slot


SlotKey = Annotated[
    Slot,
    BeforeValidator(parse_slot_key),
    WithJsonSchema({"type": "string", "pattern": r"^[a-z][a-z0-9-]*/u[1-9][0-9]?$", "examples": ["r1/u9"]}),
]


MaintenanceText = Annotated[str, text(PLAIN_TEXT, PLAIN_SENTENCE)]
"""What a person reads as the reason; Slurm keeps it on the node, so it holds no quotes, `=` or `|`."""


class Rack(Part):
    """A rack of a pod."""

    index: Annotated[int, Field(ge=1, le=255)] | None = None
    """Number of the rack's address block; by default the number at the end of its key (r7 is 7)."""
    height: Annotated[int, Field(ge=1, le=MAXIMUM_UNIT)] = 48
    """Rack units."""
    pdus: dict[FeedKey, SkuId] | None = None
    """SKU of the PDU on each feed, such as `{A: pdu-3x32a, B: pdu-3x32a}`."""
    cooling: Watts | None = None
    """Heat that can be removed from the rack."""
    liquid: bool = False
    """Whether the building's liquid loop reaches the rack. A CDU among the pod's cooling or equipment does, too."""


def _inherited_keys(*keys: str) -> ConfigDict:
    """For the schema: these keys may be left out by a pod that is `like` another."""

    def change(schema: dict[str, Any]) -> None:
        schema["required"] = [key for key in schema["required"] if key not in keys]

    return ConfigDict(json_schema_extra=change)


class NodeGroup(Part):
    """Equal nodes: one SKU at one or more slots."""

    model_config = _inherited_keys("sku")

    sku: SkuId
    """SKU in the catalogue, or beside the stack in `inventories/<site>/skus/`. A pod that is `like` another leaves it
    out, as everything else of a group but its slots."""
    at: Annotated[list[SlotPlace], BeforeValidator(every_slot), Field(min_length=1, max_length=LARGEST_GROUP)]
    """Slots, such as `r1/u9`, or ranges of them, such as `r[1-12]/u[1,9,17,25]`. A node's name and address come from
    pod, rack and unit, so the order does not matter."""
    services: list[Service] | None = None
    """What the nodes do; by default what their SKU is made for."""


class EquipmentGroup(Part):
    """Switches, power shelves or cooling units in racks: they draw power and take rack units, and nobody logs in."""

    model_config = _inherited_keys("sku")

    sku: SkuId
    """SKU of a switch, shelf or cooling unit in the catalogue, or beside the stack; a pod that is `like` another may
    leave it out."""
    at: Annotated[list[SlotPlace], BeforeValidator(every_slot), Field(min_length=1, max_length=LARGEST_GROUP)]
    """Slots, such as `r1/u46` or `r[1-8]/u[45,46]`; what takes no rack unit stands there only for its phase."""


class Pod(Part):
    """A unit of growth: racks with nodes, and a power budget that they must fit."""

    model_config = _inherited_keys("budget", "racks")

    like: PodKey | None = None
    """Another pod, from which racks, budget, equipment, and the groups' SKUs and services come where this one says
    nothing."""
    from_: Annotated[PlannedDate | None, Field(alias="from")] = None
    """The pod is planned growth, expected from this date on: its power and addresses are reserved, its machines are
    left alone. It counts as installed once this line is removed, never by the passing of a day."""
    index: Annotated[int, Field(ge=1, le=4095)] | None = None
    """Number of the pod's address block; by default from the end of its key (pod-a is 1, pod-7 is 7)."""
    budget: Watts
    """IT power that the pod may draw, such as `30 kW`."""
    cooling: Cooling | None = None
    """Cooling units that the pod's racks share: for all heat, or the air's alone where `liquidCooling` is planned."""
    liquid_cooling: Cooling | None = None
    """Units of the liquid loop, such as CDUs, that the pod's racks share: they take the share of the heat that each SKU
    gives to liquid (`liquidShare`)."""
    racks: Annotated[dict[RackKey, Rack], Field(min_length=1)]
    """Racks by key."""
    nodes: Annotated[dict[GroupKey, NodeGroup], Field(min_length=1)]
    """Groups of equal nodes by key."""
    equipment: Annotated[dict[GroupKey, EquipmentGroup], Field(default_factory=dict)]
    """What else draws power and takes room, such as `{leaf: {sku: qm9700, at: [r1/u46]}}`."""
    maintenance: Annotated[dict[SlotKey, MaintenanceText], Field(default_factory=dict)]
    """Nodes that are being worked on, by slot, with the reason: `{r2/u9: "PSU 3 replaced, ticket 118"}`. They are left
    out of every run, may be off, and are drained in Slurm; jobs that run there may end."""
    machines: Annotated[dict[SlotKey, Machine], Field(default_factory=dict)]
    """Serial numbers and MAC addresses by slot; a vendor's list, `inventories/<site>/machines.csv`, says the same."""

    @property
    def groups(self) -> Iterator[tuple[str, str, NodeGroup | EquipmentGroup]]:
        """Section, key and group of everything that stands in the racks."""
        for key, group in self.nodes.items():
            yield "nodes", key, group
        for key, equipment in self.equipment.items():
            yield "equipment", key, equipment
