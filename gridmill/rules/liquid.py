"""Liquid cooling: what needs it must have it."""

from __future__ import annotations

from collections.abc import Iterator

from gridmill.catalog import Catalog
from gridmill.errors import Problem
from gridmill.model import Pod, Site


def liquid_problems(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """Groups that need liquid in racks which no loop reaches."""
    equipment = catalog.equipment
    for pod_key, pod in site.pods.items():
        if _has_cdu(pod, catalog):
            continue
        for section, key, group in pod.groups:
            sku = catalog.nodes.get(group.sku) if section == "nodes" else equipment.get(group.sku)
            dry = {slot.rack: None for slot in group.at if slot.rack in pod.racks and not pod.racks[slot.rack].liquid}
            if sku is None or not sku.liquid or not dry:
                continue
            message = f"{sku.id} is cooled by liquid, and none reaches {', '.join(dry)}"
            hint = f"racks: {next(iter(dry))}: liquid: true, if the building's loop ends there"
            expected = "a liquid loop of the building, or a CDU under cooling or equipment"
            yield Problem(("pods", pod_key, section, key, "sku"), message, expected, hint)


def _has_cdu(pod: Pod, catalog: Catalog) -> bool:
    """Whether the pod brings liquid to its racks itself."""
    named = [group.sku for group in pod.equipment.values()]
    if pod.cooling and isinstance(pod.cooling.unit, str):
        named.append(pod.cooling.unit)
    return any(catalog.cooling[sku].loop for sku in named if sku in catalog.cooling)
