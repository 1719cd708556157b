"""Addresses, names and time of a site."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import LABEL, PLAIN_KEY, WORDS_WITH_HYPHENS, Address, DomainName, Part, parse_address, text
from gridmill.core.errors import printable

_Network = TypeVar("_Network", ipaddress.IPv4Network, ipaddress.IPv6Network)


def _network_parser(kind: type[_Network], expected: str) -> Callable[[Any], _Network]:
    """Text in CIDR form as a network of this kind, without host bits."""

    def parse(value: Any) -> _Network:
        found = {"found": printable(value), "expected": expected, "hint": ""}
        if isinstance(value, kind):
            return value
        if not isinstance(value, str) or "/" not in value:
            raise PydanticCustomError("network", "{found} is not a network", found)
        try:
            return kind(value, strict=True)
        except ValueError:
            try:
                found["hint"] = f"write {kind(value, strict=False)}"
            except ValueError:
                found["hint"] = ""
            raise PydanticCustomError("network", "{found} is not a network", found) from None

    return parse


Network4 = Annotated[
    ipaddress.IPv4Network,
    BeforeValidator(_network_parser(ipaddress.IPv4Network, "an IPv4 network such as 10.40.0.0/16")),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$",
            "examples": ["10.40.0.0/16"],
        },
        mode="validation",
    ),
]

Network6 = Annotated[
    ipaddress.IPv6Network,
    BeforeValidator(_network_parser(ipaddress.IPv6Network, "an IPv6 network such as fd4a:7c21:9e03::/48")),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9a-fA-F:]+/[0-9]{1,3}$", "examples": ["fd4a:7c21:9e03::/48"]},
        mode="validation",
    ),
]


def parse_time_server(value: Any) -> str:
    """A name or an address of an NTP server."""
    if isinstance(value, str) and len(value) <= 190:  # noqa: PLR2004 - as DomainName
        try:
            return parse_address(value)
        except PydanticCustomError:
            if re.fullmatch(rf"{LABEL}(\.{LABEL})+", value) and not re.fullmatch(r"[0-9.]+", value):
                return value
    context = {"found": printable(value), "expected": "a name such as ntp.example.net, or an address", "hint": ""}
    raise PydanticCustomError("time_server", "{found} is not a time server", context)


TimeServer = Annotated[str, BeforeValidator(parse_time_server), WithJsonSchema({"type": "string"})]


def parse_record(value: Any) -> str:
    """What a name of `network.records` stands for: an address, or the name of a machine of the site."""
    if isinstance(value, str) and len(value) <= 63:  # noqa: PLR2004 - a DNS label (RFC 1035)
        try:
            return parse_address(value)
        except PydanticCustomError:
            if re.fullmatch(LABEL, value):
                return value
    context = {
        "found": printable(value),
        "expected": "an address, or the name of a machine such as pod-a-r1-u40",
        "hint": "",
    }
    raise PydanticCustomError("record", "{found} is neither address nor machine", context)


Target = Annotated[str, BeforeValidator(parse_record), WithJsonSchema({"type": "string"})]

RecordName = Annotated[
    str, text(rf"^{LABEL}(\.{LABEL})*$", "a lower-case name inside the domain, such as switch-1", 63)
]
"""A name inside the site's domain, such as `switch-1`."""

VlanName = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Name of a VLAN, such as `storage`."""


class Vlan(Part):
    """A VLAN of the site. Gridmill checks and shows it; switches and interfaces are not configured."""

    id: Annotated[int, Field(ge=1, le=4094)]
    """VLAN ID (IEEE 802.1Q)."""
    network: Network4 | None = None
    """Its addresses, inside the supernet and outside of every pod's block (block 0 is free for this); none for the
    VLAN that carries the supernet itself, or one whose addresses are planned elsewhere."""


class Network(Part):
    """The in-band management network: addresses, names and time."""

    supernet: Network4
    """All addresses of the site. Pod n gets the n-th block of `podPrefix` in it; block 0 is infrastructure."""
    supernet6: Network6 | None = None
    """All IPv6 addresses of the site, unique local or global. Pod n gets the n-th /64 in it; block 0 is
    infrastructure. None plans IPv4 alone."""
    domain: DomainName
    """The site's own DNS domain; its controllers answer for it."""
    resolvers: Annotated[list[Address], Field(default_factory=list)]
    """DNS servers that know the world outside; none means that only the site's own names resolve, which is enough
    where packages come through a proxy that has an address."""
    time_servers: Annotated[list[TimeServer], Field(default_factory=list)]
    """NTP servers that the controllers follow, by name or address; none means that the site agrees on its controllers'
    own clock."""
    records: Annotated[dict[RecordName, Target], Field(default_factory=dict)]
    """More names inside the domain, such as `switch-1: 10.40.0.11`: an address, or a machine's name for an alias."""
    vlans: Annotated[dict[VlanName, Vlan], Field(default_factory=dict)]
    """VLANs by name, such as management, storage and oob."""
    pod_prefix: Annotated[int, Field(ge=16, le=25)] = 22
    """Prefix length of a pod's block: /22 holds 15 racks of 63 units, /20 63 racks, /18 255 racks."""
