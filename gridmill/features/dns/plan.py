"""The site's own names, as planned."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.core.addresses import is_address
from gridmill.core.sections.network import Network
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class DnsPlan:
    """What the site's DNS knows beside its machines, and whom it asks about the world."""

    resolvers: tuple[str, ...]
    """DNS servers that know the world outside."""
    records: dict[str, str]
    """More addresses by full name."""
    aliases: dict[str, str]
    """Machines (by name) by the full names that also stand for them."""


def plan_dns(planning: Planning) -> DnsPlan:
    """The plan of a checked site."""
    network = planning.site.network
    return DnsPlan(tuple(network.resolvers), _records(network, addresses=True), _records(network, addresses=False))


def _records(network: Network, *, addresses: bool) -> dict[str, str]:
    """Full names of `network.records` that stand for addresses, or those that stand for machines."""
    return {
        f"{name}.{network.domain}": target
        for name, target in sorted(network.records.items())
        if is_address(target) is addresses
    }
