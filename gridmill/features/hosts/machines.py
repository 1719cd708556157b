"""Machines in their slots: which are worked on, and which serial numbers and MAC addresses they must have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of
from gridmill.core.errors import Path, Problem
from gridmill.core.names import NodeKey
from gridmill.core.sections.machines import ListedMachine, Machine
from gridmill.core.sections.pods import Pod, Slot
from gridmill.core.sections.site import Site


@dataclass(frozen=True)
class _Claim:
    """Somebody says that this machine stands there; `problem` makes one of it, in the stack or in a list."""

    pod: str
    slot: Slot
    machine: Machine
    path: Path = ()
    listed: ListedMachine | None = None

    @property
    def said(self) -> str:
        place = f"{self.pod} {self.slot}"
        return f"{place} ({self.listed.file}:{self.listed.line})" if self.listed else place

    def problem(self, field: str, message: str, expected: str, hint: str) -> Problem:
        if self.listed:
            return self.listed.problem(message, expected, hint)
        return Problem((*self.path, field) if field else self.path, message, expected, hint)


def identities(site: Site, listed: Sequence[ListedMachine]) -> dict[NodeKey, Machine]:
    """What every machine of a checked site is known by: by the stack and the list together."""
    found: dict[NodeKey, Machine] = {}
    for claim in _claims(site, listed):
        key = (claim.pod, claim.slot)
        before = found.get(key, Machine())
        found[key] = Machine(serial=before.serial or claim.machine.serial, mac=before.mac or claim.machine.mac)
    return found


def machine_problems(site: Site, catalog: Catalog, listed: Sequence[ListedMachine]) -> list[Problem]:
    """Slots without a node, machines in two places, two opinions of one place, and a controller in maintenance."""
    nodes = {key: {slot for group in pod.nodes.values() for slot in group.at} for key, pod in site.pods.items()}
    claims = list(_claims(site, listed))
    return [
        *_maintenance_problems(site, catalog, nodes),
        *(_nobody(claim, nodes) for claim in claims if claim.slot not in nodes.get(claim.pod, set())),
        *_contradictions(claims),
        *_twice(claims),
    ]


def _claims(site: Site, listed: Iterable[ListedMachine]) -> Iterator[_Claim]:
    for key, pod in site.pods.items():
        for slot, machine in pod.machines.items():
            yield _Claim(key, slot, machine, ("pods", key, "machines", str(slot)))
    for item in listed:
        yield _Claim(item.pod, Slot(item.rack, item.unit), item.machine, listed=item)


def _nobody(claim: _Claim, nodes: Mapping[str, set[Slot]]) -> Problem:
    if claim.pod not in nodes:
        known = ", ".join(sorted(nodes))
        return claim.problem("", f"unknown pod {claim.pod}", f"one of {known}", "the pod's key in the stack")
    return claim.problem(
        "", f"no node at {claim.slot} of {claim.pod}", _slots(nodes[claim.pod]), "a node's lowest unit"
    )


def _slots(slots: set[Slot]) -> str:
    shown = [str(slot) for slot in sorted(slots)]
    return f"one of {', '.join(shown[:8])}" + (", …" if len(shown) > 8 else "")  # noqa: PLR2004 - a line on a terminal


def _maintenance_problems(site: Site, catalog: Catalog, nodes: Mapping[str, set[Slot]]) -> Iterator[Problem]:
    for key, pod in site.pods.items():
        controllers = _controllers(pod, catalog)
        for slot in pod.maintenance:
            path: Path = ("pods", key, "maintenance", str(slot))
            if slot not in nodes[key]:
                yield Problem(path, f"no node at {slot} of {key}", _slots(nodes[key]), "a node's lowest unit")
            elif slot in controllers:
                hint = "work on it between two runs"
                yield Problem(path, "the controller runs the site's Slurm", "any other node", hint)


def _controllers(pod: Pod, catalog: Catalog) -> set[Slot]:
    groups = [group for group in pod.nodes.values() if "controller" in services_of(group, catalog)]
    return {slot for group in groups for slot in group.at}


def _contradictions(claims: Iterable[_Claim]) -> Iterator[Problem]:
    """The same place twice, with other words."""
    first: dict[tuple[str, Slot, str], tuple[_Claim, str]] = {}
    for claim in claims:
        for field, noun in _FIELDS.items():
            value: str | None = getattr(claim.machine, field)
            if value is None:
                continue
            other, said = first.setdefault((claim.pod, claim.slot, field), (claim, value))
            if said.casefold() != value.casefold():
                where = f"line {other.listed.line}" if other.listed else "the stack"
                message = f"{noun} {value} for {claim.pod} {claim.slot}, where {where} says {said}"
                yield claim.problem(field, message, "one machine per slot", "correct one of the two")


def _twice(claims: Iterable[_Claim]) -> Iterator[Problem]:
    """The same machine in two places."""
    first: dict[tuple[str, str], _Claim] = {}
    for claim in claims:
        for field, noun in _FIELDS.items():
            value: str | None = getattr(claim.machine, field)
            if value is None:
                continue
            other = first.setdefault((field, value.casefold()), claim)
            if (other.pod, other.slot) != (claim.pod, claim.slot):
                message = f"{noun} {value} is also that of {other.said}"
                yield claim.problem(field, message, "each machine once", "correct one of the two")


_FIELDS = {"serial": "serial number", "mac": "MAC address"}
