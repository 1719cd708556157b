"""Meters of power: where they sit, what they are, and how they are asked."""

from __future__ import annotations

import re
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import PLAIN_KEY, WORDS_WITH_HYPHENS, Address, FilePath, Part, SkuId, text
from gridmill.core.errors import printable

MeterKey = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Name of a meter, such as `pdu-a`."""

_PLACE = r"(?:grid|[A-F]|([a-z](?:-?[a-z0-9])*)/([a-z](?:-?[a-z0-9])*)/([A-F]))"


_LONGEST = 39
"""Characters of the longest place: keys of pod and rack, a letter, two slashes."""


class MeterPlace(NamedTuple):
    """What a meter measures: the connection (all empty), a feed, or a PDU."""

    pod: str = ""
    rack: str = ""
    feed: str = ""

    def __str__(self) -> str:
        """As written in the stack: `grid`, `A` or `pod-a/r1/A`."""
        return "/".join(filter(None, self)) or "grid"


def parse_place(value: Any) -> MeterPlace:
    """`"pod-a/r1/A"` as MeterPlace("pod-a", "r1", "A")."""
    if isinstance(value, MeterPlace):
        return value
    place = value if isinstance(value, str) and len(value) <= _LONGEST else ""
    match = re.fullmatch(_PLACE, place, re.ASCII)
    if not match:
        expected = "grid, the letter of a feed, or a PDU as pod, rack and feed, such as pod-a/r1/A"
        context = {"found": printable(value), "expected": expected, "hint": ""}
        raise PydanticCustomError("meter_place", "{found} is nothing that has a meter", context)
    if match[1]:
        return MeterPlace(match[1], match[2], match[3])
    return MeterPlace() if place == "grid" else MeterPlace(feed=place)


Place = Annotated[
    MeterPlace,
    BeforeValidator(parse_place),
    WithJsonSchema({"type": "string", "pattern": f"^{_PLACE}$", "examples": ["grid", "A", "pod-a/r1/A"]}),
]


class Snmp(Part):
    """How meters are asked over SNMP. With a user: SNMPv3, signed (SHA) and encrypted (AES). Without one: SNMPv2c,
    whose community crosses the network in the clear."""

    user: Annotated[
        str, text(r"^[A-Za-z][A-Za-z0-9_.-]{0,31}$", "a user of SNMPv3: up to 32 letters, digits, _ . -")
    ] | (None) = None
    """User of SNMPv3 (USM)."""
    secret_file: FilePath
    """File with the user's passphrase or the community, on the machine that runs `gridmill`; it goes to a controller
    over SSH when meters are asked, and stays nowhere."""


class Meter(Part):
    """A meter on the out-of-band network. Controllers ask it, reading only."""

    measures: Place
    """What it measures: `grid` (the connection), a feed such as `A`, or a PDU as `pod-a/r1/A`."""
    sku: SkuId
    """What it is in the catalogue (meters/), or beside the stack in `inventories/<site>/skus/meters/`: protocol, and
    where which value stands."""
    address: Address
    """Its address on the out-of-band network, or its gateway's."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """By default the protocol's: 502 for Modbus TCP, 161 for SNMP."""
    unit: Annotated[int, Field(ge=0, le=255)] | None = None
    """Modbus unit: which meter behind a gateway; 1 unless said."""
