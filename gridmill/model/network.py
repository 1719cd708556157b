"""Addresses and names of a site."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.errors import printable
from gridmill.model.base import DomainName, Part


def parse_supernet(value: Any) -> ipaddress.IPv4Network:
    """Text such as `10.40.0.0/16` as an IPv4 network without host bits."""
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


def parse_address(value: Any) -> str:
    """An IPv4 address as text."""
    try:
        return str(ipaddress.IPv4Address(value if isinstance(value, str) else ""))
    except ValueError:
        context = {"found": printable(value), "expected": "an IPv4 address such as 10.40.0.53", "hint": ""}
        raise PydanticCustomError("address", "{found} is not an address", context) from None


Resolver = Annotated[str, BeforeValidator(parse_address)]


class Network(Part):
    """The in-band management network."""

    supernet: Network4
    """All addresses of the site. Pod n gets the n-th block of `podPrefix` in it; block 0 is infrastructure."""
    domain: DomainName
    """The site's own DNS domain; its controllers answer for it."""
    resolvers: Annotated[list[Resolver], Field(default_factory=list)]
    """DNS servers that know the world outside; none means that only the site's own names resolve, which is enough
    where packages come through a proxy that has an address."""
    pod_prefix: Annotated[int, Field(ge=16, le=25)] = 22
    """Prefix length of a pod's block: /22 holds 15 racks of 63 units, /20 63 racks, /18 255 racks."""
