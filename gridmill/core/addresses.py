"""Addresses from stable numbers: pod block, rack, unit. No state, no order."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gridmill.core.names import pod_index
from gridmill.core.sections.site import Site

UNITS_PER_RACK = 64
"""Addresses per rack: one per unit (1 to 63), so that slot and address translate by eye."""

PREFIX6 = 64
"""Prefix length of a pod's IPv6 block: what every network of machines has (RFC 4291, 2.5.4)."""

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


def is_address(target: str) -> bool:
    """Whether the target of a record is an address and not a machine's name."""
    try:
        ipaddress.ip_address(target)
    except ValueError:
        return False
    return True


def pod_blocks(site: Site) -> Iterator[tuple[str, ipaddress.IPv4Network]]:
    """Blocks of pods that have a number and fit; another rule names those that don't."""
    network = site.network
    for key, pod in site.pods.items():
        number = pod_index(key, pod)
        base = int(network.supernet.network_address) + (number or 0) * 2 ** (32 - network.pod_prefix)
        if number and base <= int(network.supernet.broadcast_address):
            yield f"pod {key}", ipaddress.IPv4Network((base, network.pod_prefix), strict=False)
