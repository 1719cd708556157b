"""Nodes and equipment: known SKUs, in racks that exist, in slots that are free and high enough, with names that fit."""

from __future__ import annotations

from gridmill.catalog import Catalog, Equipment, Node
from gridmill.catalog.unknown import unknown_sku
from gridmill.core.errors import Path, Problem
from gridmill.core.names import node_label
from gridmill.core.sections.pods import Pod, Slot
from gridmill.core.sections.site import Site

LONGEST_LABEL = 63
"""Characters of a DNS label (RFC 1035)."""


def hardware_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Unknown SKUs and racks, slots taken twice, nodes that stick out of their rack, names that are taken twice."""
    problems: list[Problem] = []
    names: dict[str, Path] = {}
    for pod_key, pod in site.pods.items():
        occupied: dict[tuple[str, int], tuple[Path, str]] = {}
        for section, group_key, group in pod.groups:
            path: Path = ("pods", pod_key, section, group_key)
            sku = _sku(section, group.sku, catalog)
            if sku is None:
                problems.append(_unknown((*path, "sku"), section, group.sku, catalog))
            for position, slot in enumerate(group.at):
                place = (*path, "at", position)
                problems += _slot_problems(pod, slot, sku, place, occupied, group_key)
                if section != "nodes":
                    continue
                name = node_label(pod_key, slot)
                if len(name) > LONGEST_LABEL:
                    message = f"{name} has {len(name)} characters"
                    problems.append(Problem(place, message, f"at most {LONGEST_LABEL}", "shorter keys"))
                if name in names and names[name][:2] != place[:2]:
                    message = f"{name} is also the name of a node of {names[name][1]}"
                    problems.append(Problem(place, message, "unique names", "another pod or rack key"))
                names.setdefault(name, place)
    return problems


def _sku(section: str, sku: str, catalog: Catalog) -> Node | Equipment | None:
    return catalog.nodes.get(sku) if section == "nodes" else catalog.equipment.get(sku)


def _unknown(path: Path, section: str, sku: str, catalog: Catalog) -> Problem:
    """A SKU that nobody knows, or that belongs into the other section."""
    other = "equipment" if section == "nodes" else "nodes"
    if _sku(other, sku, catalog):
        known = sorted(catalog.nodes if section == "nodes" else catalog.equipment)
        return Problem(path, f"unknown SKU {sku}", f"one of {', '.join(known)}", f"put the group under `{other}`")
    if section == "nodes":
        return unknown_sku(path, sku, catalog.nodes, catalog, "nodes")
    return unknown_sku(path, sku, catalog.equipment, catalog, "(switches, shelves or cooling)")


def _slot_problems(
    pod: Pod,
    slot: Slot,
    sku: Node | Equipment | None,
    place: Path,
    occupied: dict[tuple[str, int], tuple[Path, str]],
    group: str,
) -> list[Problem]:
    rack = pod.racks.get(slot.rack)
    if rack is None:
        known = ", ".join(sorted(pod.racks))
        return [Problem(place, f"unknown rack {slot.rack}", f"one of {known}", f"add `{slot.rack}: {{}}` to racks")]
    units = sku.units if sku else 1
    top = slot.unit + max(units, 1) - 1
    problems: list[Problem] = []
    if top > rack.height:
        message = f"{slot} needs units {slot.unit} to {top}, and the rack ends at {rack.height}"
        hint = f"u{rack.height - units + 1} or lower" if rack.height >= units else "a higher rack"
        problems.append(Problem(place, message, f"{units} units inside the rack", hint))
    for unit in range(slot.unit, slot.unit + units):
        holder, name = occupied.setdefault((slot.rack, unit), (place, f"{group} at {slot}"))
        if holder != place:
            problems.append(Problem(place, f"unit {unit} of {slot.rack} is taken by {name}", "a free slot"))
            break
    return problems
