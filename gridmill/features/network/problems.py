"""Networks beside the pods' own blocks: IPv6, VLANs, and names that the stack adds to the site's DNS."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gridmill.core.addresses import PREFIX6, is_address, pod_blocks
from gridmill.core.errors import Path, Problem
from gridmill.core.names import node_label, pod_index
from gridmill.core.sections.site import Site

USABLE6 = tuple(ipaddress.IPv6Network(text) for text in ("fd00::/8", "2000::/3"))
"""Unique local addresses that are assigned locally (RFC 4193), and global unicast (RFC 4291)."""

DOCUMENTATION6 = ipaddress.IPv6Network("2001:db8::/32")
"""For examples only (RFC 3849)."""

SITE_NAMES = frozenset({"controller", "login", "storage"})
"""Names that stand for what a site has one of."""


def network_problems(site: Site) -> list[Problem]:
    """IPv6 blocks that don't fit, VLANs that clash, records that hide a machine or point at none."""
    return [*_supernet6_problems(site), *_vlan_problems(site), *_record_problems(site)]


def _supernet6_problems(site: Site) -> Iterator[Problem]:
    supernet = site.network.supernet6
    if supernet is None:
        return
    path = ("network", "supernet6")
    if supernet.subnet_of(DOCUMENTATION6) or not any(supernet.subnet_of(usable) for usable in USABLE6):
        hint = "a /48 below fd00::/8 with 40 random bits (RFC 4193), or what your provider gave you"
        yield Problem(path, f"{supernet} is not a network for machines", "unique local or global unicast", hint)
    if supernet.prefixlen >= PREFIX6:
        expected = f"at most /{PREFIX6 - 1}: block 0 is infrastructure, pods start with 1"
        yield Problem(path, f"{supernet} is too small for pods of /{PREFIX6}", expected, "a larger supernet6")
        return
    highest = 2 ** (PREFIX6 - supernet.prefixlen) - 1
    for key, pod in site.pods.items():
        number = pod_index(key, pod)
        if number is not None and number > highest:
            message = f"pod number {number} is outside of {supernet} in blocks of /{PREFIX6}"
            yield Problem(("pods", key), message, f"1 to {highest}", "a larger supernet6, or a smaller `index`")


def _vlan_problems(site: Site) -> Iterator[Problem]:
    network = site.network
    ids: dict[int, str] = {}
    taken = dict(pod_blocks(site))
    gateway = ipaddress.IPv4Network(network.supernet.network_address + 1)
    for name, vlan in network.vlans.items():
        path: Path = ("network", "vlans", name)
        first = ids.setdefault(vlan.id, name)
        if first != name:
            yield Problem((*path, "id"), f"VLAN {vlan.id} is also that of {first}", "each ID once", "another id")
        if vlan.network is None:
            continue
        place = (*path, "network")
        if not vlan.network.subnet_of(network.supernet):
            message = f"{vlan.network} is not inside of {network.supernet}"
            yield Problem(place, message, "a part of block 0 of the supernet", "leave it out if Gridmill need not know")
            continue
        if gateway.subnet_of(vlan.network):
            message = f"{vlan.network} holds {gateway.network_address}, the first address of the supernet"
            yield Problem(place, message, "that address stays with the supernet", "a later part of block 0")
        for holder, block in taken.items():
            if vlan.network.overlaps(block):
                message = f"{vlan.network} overlaps {block} of {holder}"
                yield Problem(place, message, "addresses that nobody else has", "a free part of block 0")
                break
        taken.setdefault(name, vlan.network)


def _record_problems(site: Site) -> Iterator[Problem]:
    records = site.network.records
    if not records:
        return
    machines = {
        node_label(key, slot) for key, pod in site.pods.items() for group in pod.nodes.values() for slot in group.at
    }
    for name, target in records.items():
        path = ("network", "records", name)
        if name in machines or name in SITE_NAMES:
            owner = "a machine's own name" if name in machines else "a name that Gridmill gives"
            yield Problem(path, f"{name} is {owner}", "a name that nothing else has", "another name")
        if not is_address(target) and target not in machines:
            expected = "an address, or a machine as `gridmill plan` names it"
            yield Problem(path, f"{target} is not a machine of this site", expected, "its address")
