"""Liquid cooling: what needs it must have it."""

from __future__ import annotations

from collections.abc import Iterator

from gridmill.catalog import Catalog
from gridmill.core.errors import Problem
from gridmill.core.sections.pods import Pod
from gridmill.core.sections.site import Site


def liquid_problems(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """Groups that need liquid in racks which no loop reaches, and cooling units of the wrong kind."""
    yield from _kind_problems(site, catalog)
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


def _kind_problems(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """Units that cool air where liquid is planned, and the other way around."""
    for key, pod in site.pods.items():
        if pod.liquid_cooling is None:
            continue
        for part, cooling, loop in (("cooling", pod.cooling, False), ("liquidCooling", pod.liquid_cooling, True)):
            sku = catalog.cooling.get(cooling.unit) if cooling and isinstance(cooling.unit, str) else None
            if sku is None or sku.loop == loop:
                continue
            message = (
                f"{sku.id} cools {'liquid' if sku.loop else 'air'}, and `{part}` is for {'liquid' if loop else 'air'}"
            )
            known = ", ".join(sorted(one.id for one in catalog.cooling.values() if one.loop == loop))
            hint = f"under {'cooling' if loop else 'liquidCooling'}"
            yield Problem(("pods", key, part, "unit"), message, f"one of {known}", hint)


def _has_cdu(pod: Pod, catalog: Catalog) -> bool:
    """Whether the pod brings liquid to its racks itself."""
    if pod.liquid_cooling:
        return True
    named = [group.sku for group in pod.equipment.values()]
    if pod.cooling and isinstance(pod.cooling.unit, str):
        named.append(pod.cooling.unit)
    return any(catalog.cooling[sku].loop for sku in named if sku in catalog.cooling)
