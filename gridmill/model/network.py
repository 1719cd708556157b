"""Addresses and names of a site."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.errors import printable
from gridmill.model.base import DomainName, Part


def parse_supernet(value: Any) -> ipaddress.IPv4Network:
    """Text such as `10.40.0.0/16` as a private or benchmarking IPv4 network."""
    expected = "an IPv4 network such as 10.40.0.0/16"
    found = {"found": printable(value), "expected": expected, "hint": ""}
    if isinstance(value, ipaddress.IPv4Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise PydanticCustomError("network", "{found} is not a network", found)
    try:
        return ipaddress.IPv4Network(value, strict=True)
    except ValueError:
        try:
            found["hint"] = f"write {ipaddress.IPv4Network(value, strict=False)}"
        except ValueError:
            found["hint"] = ""
        raise PydanticCustomError("network", "{found} is not a network", found) from None


Network4 = Annotated[
    ipaddress.IPv4Network,
    BeforeValidator(parse_supernet),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$",
            "examples": ["10.40.0.0/16"],
        },
        mode="validation",
    ),
]


class Network(Part):
    """The in-band management network."""

    supernet: Network4
    """All addresses of the site. Pod n gets the n-th block of `podPrefix` in it; block 0 is infrastructure."""
    domain: DomainName
    """The site's own DNS domain; its controllers answer for it."""
    pod_prefix: Annotated[int, Field(ge=16, le=26)] = 22
    """Prefix length of a pod's block: /22 holds 15 racks of 63 units, /20 63 racks, /18 255 racks."""
