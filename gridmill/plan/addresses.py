"""Addresses from stable numbers: pod block, rack, unit. No state, no order."""

from __future__ import annotations

import ipaddress

from gridmill.rules.addressing import UNITS_PER_RACK
from gridmill.rules.networks import PREFIX6

LAST_RACK = 255
"""Highest number of a rack (`index` in the model)."""


def pod_network(supernet: ipaddress.IPv4Network, prefix: int, index: int) -> ipaddress.IPv4Network:
    """Block `index` of length `prefix` in the supernet. ValueError when it lies outside."""
    size = 2 ** (32 - prefix)
    base = int(supernet.network_address) + index * size
    network = ipaddress.IPv4Network((base, prefix))
    if index < 1 or not network.subnet_of(supernet):
        raise ValueError(f"block {index} of /{prefix} is outside of {supernet}")
    return network


def host_address(pod: ipaddress.IPv4Network, rack: int, unit: int) -> ipaddress.IPv4Address:
    """Address of the node in a rack unit: pod + 64 * rack + unit. ValueError when it lies outside."""
    offset = UNITS_PER_RACK * rack + unit
    if rack < 1 or not 0 < unit < UNITS_PER_RACK or offset >= pod.num_addresses - 1:
        raise ValueError(f"rack {rack}, unit {unit} is outside of {pod}")
    return pod.network_address + offset


def pod_network6(supernet: ipaddress.IPv6Network, index: int) -> ipaddress.IPv6Network:
    """The `index`-th /64 of the supernet. ValueError when it lies outside."""
    network = ipaddress.IPv6Network((int(supernet.network_address) + (index << 64), PREFIX6))
    if index < 1 or not network.subnet_of(supernet):
        raise ValueError(f"block {index} of /{PREFIX6} is outside of {supernet}")
    return network


def host_address6(pod: ipaddress.IPv6Network, rack: int, unit: int) -> ipaddress.IPv6Address:
    """Address of the node in a rack unit: `<pod>::<rack>:<unit>`, both with their decimal digits, to be read by eye.

    ValueError when rack or unit are outside of what the IPv4 scheme can hold too.
    """
    if not 1 <= rack <= LAST_RACK or not 0 < unit < UNITS_PER_RACK:
        raise ValueError(f"rack {rack}, unit {unit} is outside of {pod}")
    return pod.network_address + (int(str(rack), 16) << 16 | int(str(unit), 16))
