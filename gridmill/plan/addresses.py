"""Addresses from stable numbers: pod block, rack, unit. No state, no order."""

from __future__ import annotations

import ipaddress

from gridmill.rules.addressing import UNITS_PER_RACK


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
