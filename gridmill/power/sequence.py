"""Switching a site on without breaking its ramp: what goes on in which minute.

A minute's machines are switched on together at its beginning, so that any sixty seconds hold one minute's steps and no
more. First what the others need: switches, controllers, storage, logins; machines that run jobs come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gridmill.catalog.services import services_of
from gridmill.core.hostlist import fold
from gridmill.core.names import node_label, rack_index
from gridmill.core.units import kilowatts
from gridmill.power import PowerAnalysis, caps_of
from gridmill.power.consumers import Consumer, consumers
from gridmill.power.ramp import counted_idle, load_problems, resume_rate, step_of

WHAT = ("equipment", "controllers", "storage", "others", "compute")
"""Kinds of machines in the order in which they are switched on."""


@dataclass(frozen=True)
class Minute:
    """What is switched on at the beginning of one minute; power at the meter, in W."""

    minute: int
    """Counted from 0."""
    what: str
    machines: tuple[str, ...]
    step_w: int
    total_w: int
    """With everything before, at what the plan counts for each."""


@dataclass(frozen=True)
class Sequence:
    """The order and pace for what stands."""

    ramp_w: int
    minutes: tuple[Minute, ...]
    resume_rate: int | None
    """Nodes that Slurm may switch on in a minute; None where it cannot hold the ramp, or has no nodes."""
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ramp_w_per_minute": self.ramp_w,
            "minutes": [
                {
                    "minute": minute.minute,
                    "what": minute.what,
                    "machines": list(minute.machines),
                    "step_w": minute.step_w,
                    "total_w": minute.total_w,
                }
                for minute in self.minutes
            ],
            "resume_rate": self.resume_rate,
            "notes": list(self.notes),
        }


def power_on_sequence(work: PowerAnalysis) -> Sequence | None:
    """The sequence of what stands and is in service; None without a ramp."""
    site, catalog = work.site, work.catalog
    ramp = site.grid.ramp
    if ramp is None:
        return None
    caps = caps_of(site, catalog)
    rate = resume_rate(site, catalog, caps)
    minutes: list[Minute] = []
    for what, machines in _by_kind(work):
        steps = [
            (_name(machine), step_of(machine, catalog, caps, site.grid.pue).counted_w(ramp)) for machine in machines
        ]
        for names, step in _packed(steps, ramp):
            total = (minutes[-1].total_w if minutes else 0) + step
            minutes.append(Minute(len(minutes), what, names, step, total))
    return Sequence(ramp, tuple(minutes), rate or None, tuple(_notes(work, rate)))


def _packed(steps: list[tuple[str, int]], ramp_w: int) -> Iterator[tuple[tuple[str, ...], int]]:
    """Names and sum of each minute, in order."""
    names: list[str] = []
    total = 0
    for name, step in steps:
        if names and total + step > ramp_w:
            yield tuple(names), total
            names, total = [], 0
        names.append(name)
        total += step
    if names:
        yield tuple(names), total


def _by_kind(work: PowerAnalysis) -> Iterator[tuple[str, list[Consumer]]]:
    site = work.site
    found: dict[str, list[Consumer]] = {what: [] for what in WHAT}
    for machine in consumers(site, work.catalog):
        pod = site.pods[machine.pod]
        if pod.from_ is None and machine.slot not in pod.maintenance:
            found[_what(work, machine)].append(machine)
    for what, machines in found.items():
        if machines:
            yield what, sorted(machines, key=lambda machine: _place(work, machine))


def _place(work: PowerAnalysis, machine: Consumer) -> tuple[str, int, int]:
    rack = work.site.pods[machine.pod].racks[machine.slot.rack]
    return machine.pod, rack_index(machine.slot.rack, rack) or 0, machine.slot.unit


def _what(work: PowerAnalysis, machine: Consumer) -> str:
    if machine.section == "equipment":
        return "equipment"
    services = services_of(work.site.pods[machine.pod].nodes[machine.group], work.catalog)
    for service, what in (("controller", "controllers"), ("storage", "storage"), ("compute", "compute")):
        if service in services:
            return what
    return "others"


def _name(machine: Consumer) -> str:
    """The machine's name; equipment has none and goes by its place."""
    if machine.section == "nodes":
        return node_label(machine.pod, machine.slot)
    return f"{machine.group} {machine.pod}/{machine.slot}"


def _notes(work: PowerAnalysis, rate: int | None) -> Iterator[str]:
    site, catalog = work.site, work.catalog
    for machine, step in counted_idle(site, catalog, caps_of(site, catalog)):
        yield (
            f"one {machine.sku} ({machine.group} of {machine.pod}) at full power is {kilowatts(step.full_w)} at the"
            f" meter, over the ramp: it is counted without work, {kilowatts(step.idle_w)}"
        )
    for problem in load_problems(site, catalog):
        yield f"{problem.message}: {problem.hint}"
    if rate == 0:
        yield (
            "Slurm cannot switch on less than one node a minute (its ResumeRate 0 means no limit): power nodes on one"
            " by one by other means, such as delays of PDU outlets or the machines' BMCs"
        )
    yield (
        "the sequence is of machines that are switched on; set them to stay off when power returns, and mind that many"
        " idle GPUs that are loaded at once rise faster than any sequence"
    )


def folded(minute: Minute) -> str:
    """Names of a minute's machines, short."""
    return ",".join(minute.machines if minute.what == "equipment" else fold(minute.machines))
