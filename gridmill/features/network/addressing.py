"""Blocks of addresses: every pod and rack has its own, and all fit into the supernet."""

from __future__ import annotations

import ipaddress

from gridmill.core.addresses import UNITS_PER_RACK
from gridmill.core.errors import Path, Problem
from gridmill.core.names import pod_index, rack_index
from gridmill.core.sections.site import Site

RESERVED_PODS = frozenset({"storage", "control", "exports", "keys", "acceptance"})
"""Keys that would be taken for the phases before and after the pods."""

PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15")
)
"""Where a management network may lie: RFC 1918, RFC 6598 (shared), RFC 2544 (benchmarking, the lab's)."""


def addressing_problems(site: Site) -> list[Problem]:
    """Pods and racks without a number, with the same number, or with one that does not fit."""
    network = site.network
    problems: list[Problem] = []
    if not any(network.supernet.subnet_of(private) for private in PRIVATE):
        ranges = ", ".join(str(private) for private in PRIVATE)
        message = f"{network.supernet} is not private"
        hint = "a part of 10.0.0.0/8 that nobody around you uses"
        problems.append(Problem(("network", "supernet"), message, f"inside of {ranges}", hint))
    if network.supernet.prefixlen >= network.pod_prefix:
        problems.append(
            Problem(
                ("network", "supernet"),
                f"{network.supernet} is too small for pods of /{network.pod_prefix}",
                f"at most /{network.pod_prefix - 1}: block 0 is infrastructure, pods start with 1",
                f"a larger supernet, or a podPrefix longer than /{network.pod_prefix}",
            )
        )
        return problems
    blocks = 2 ** (network.pod_prefix - network.supernet.prefixlen)
    racks_per_pod = 2 ** (32 - network.pod_prefix) // UNITS_PER_RACK - 1
    pods = {key: pod_index(key, pod) for key, pod in site.pods.items()}
    problems += _numbers("pod", ("pods",), pods, blocks - 1, f"{network.supernet} in blocks of /{network.pod_prefix}")
    problems += [
        Problem(("pods", key), f"{key} is the name of a phase", "another key", f"pod-{key}")
        for key in site.pods
        if key in RESERVED_PODS
    ]
    for key, pod in site.pods.items():
        racks = {name: rack_index(name, rack) for name, rack in pod.racks.items()}
        size = f"a pod of /{network.pod_prefix}"
        problems += _numbers("rack", ("pods", key, "racks"), racks, racks_per_pod, size)
    return problems


def _numbers(noun: str, path: Path, numbers: dict[str, int | None], highest: int, pool: str) -> list[Problem]:
    problems: list[Problem] = []
    first: dict[int, str] = {}
    for key, number in numbers.items():
        place = (*path, key)
        if number is None:
            hint = f"add `index: N` to the {noun}, or let its key end with a number"
            problems.append(Problem(place, f"{noun} without a number", f"1 to {highest}", hint))
        elif number > highest:
            message = f"{noun} number {number} is outside of {pool}"
            problems.append(Problem(place, message, f"1 to {highest}", "a larger pool, or a smaller `index`"))
        elif number in first:
            message = f"{noun} number {number} is also that of {first[number]}"
            problems.append(Problem(place, message, "each number once", "set another `index`"))
        else:
            first[number] = key
    return problems
