"""What the nodes of a group do: as the stack says, or by their SKU's kind."""

from __future__ import annotations

from gridmill.catalog.loader import Catalog
from gridmill.core.sections.pods import NodeGroup, Service
from gridmill.core.sections.site import Site

DEFAULT_SERVICES: dict[str, tuple[Service, ...]] = {
    "gpu": ("compute",),
    "cpu": ("compute",),
    "login": ("login",),
    "storage": ("storage",),
    "management": ("controller", "login"),
}
"""What a node does when its group doesn't say, by its SKU's kind."""


def services_of(group: NodeGroup, catalog: Catalog) -> tuple[Service, ...]:
    """What the nodes of a group do."""
    if group.services is not None:
        return tuple(dict.fromkeys(group.services))
    sku = catalog.nodes.get(group.sku)
    return DEFAULT_SERVICES[sku.kind] if sku else ()


def undetermined(site: Site, catalog: Catalog) -> set[str]:
    """Keys of groups of which nobody knows what they do, since their SKU is unknown; what they lack is no problem."""
    return {
        key
        for pod in site.pods.values()
        for key, group in pod.nodes.items()
        if group.services is None and group.sku not in catalog.nodes
    }


def simulated(site: Site, catalog: Catalog) -> bool:
    """Whether every machine of the site exists only in a virtual site."""
    found = [catalog.nodes.get(group.sku) for pod in site.pods.values() for group in pod.nodes.values()]
    return all(sku is not None and sku.simulated for sku in found)
