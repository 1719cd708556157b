"""What a change of a whole site means, from what the site held before and after: machines, nodes that run jobs, data.

Only what is lost or stands in another place is compared here; what happens on machines, check mode knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridmill.core.hostlist import expand, fold
from gridmill.core.impact import DATA_AT_RISK, DRAIN, LIVE, REPROVISION
from gridmill.features.storage.plan import StoragePlan
from gridmill.kernel.site_plan import SitePlan

CONTROLLER_DATA = "the controller"
"""Accounting, the queue, the cluster's key and the ledger."""


@dataclass(frozen=True)
class Effect:
    """One thing that a change does to the site."""

    impact: str
    what: str
    nodes: tuple[str, ...]
    consent: str = ""
    """Name of the consent that it needs; empty when it needs none."""
    given: str = ""
    """The reason with which consent was given."""

    @property
    def refused(self) -> bool:
        """Whether consent is missing."""
        return bool(self.consent) and not self.given


@dataclass(frozen=True)
class Holdings:
    """What a site consists of, small enough to stand in its resource: nodes are folded into host list expressions."""

    machines: Mapping[str, Mapping[str, Sequence[str]]]
    """Machines by pod and SKU."""
    workers: Sequence[str]
    """Nodes in service that run jobs."""
    data: Mapping[str, Mapping[str, Any]]
    """Who keeps data, by `the controller` or the name of a volume: `kind`, and `machines`."""
    largest_loss: int
    """Share of the workers, in percent, that may go without consent."""
    consent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: SitePlan) -> Holdings:
        """What the plan holds."""
        machines: dict[str, dict[str, list[str]]] = {}
        for host in plan.hosts:
            machines.setdefault(host.pod, {}).setdefault(host.sku, []).append(host.name)
        servers = {server.group: server.hosts for server in plan.of(StoragePlan).servers}
        kept: dict[str, tuple[str, Iterable[str]]] = {
            CONTROLLER_DATA: ("slurm", [host.name for host in plan.with_service("controller")]),
            **{one.name: (one.kind, servers.get(one.group, ())) for one in plan.of(StoragePlan).volumes if one.group},
        }
        return cls(
            {pod: {sku: fold(names) for sku, names in skus.items()} for pod, skus in machines.items()},
            fold(host.name for host in plan.with_service("compute") if host.maintenance is None),
            {name: {"kind": kind, "machines": fold(names)} for name, (kind, names) in kept.items()},
            plan.changes.largest_loss_percent,
            plan.changes.consent,
        )

    @classmethod
    def read(cls, inputs: Mapping[str, Any]) -> Holdings | None:
        """From a resource's inputs; None for one that an earlier version made, which says nothing of this."""
        if "workers" not in inputs:
            return None
        names = ("machines", "workers", "data", "largest_loss", "consent")
        return cls(**{name: inputs[name] for name in names if name in inputs})

    @property
    def skus(self) -> dict[str, str]:
        """SKU of every machine."""
        return {name: sku for skus in self.machines.values() for sku, listed in skus.items() for name in _names(listed)}


def site_effects(before: Holdings, after: Holdings) -> list[Effect]:
    """Everything that a change does to a site, the worst first. A consent counts that came with this change."""
    fresh = {name: why for name, why in after.consent.items() if before.consent.get(name) != why}
    skus, former = after.skus, before.skus
    found = [*_data(before, after, skus, former), *_workers(before, after)]
    if changed := [name for name in former if name in skus and skus[name] != former[name]]:
        what = ", ".join(sorted({f"{former[name]} becomes {skus[name]}" for name in changed}))
        found.append(Effect(REPROVISION, what, tuple(sorted(changed))))
    if added := sorted(set(skus) - set(former)):
        found.append(Effect(LIVE, "new machines", tuple(added)))
    if gone := sorted(set(former) - set(skus) - set(_names(before.workers))):
        found.append(Effect(LIVE, "machines leave that run no jobs", tuple(gone)))
    order = {impact: number for number, impact in enumerate((DATA_AT_RISK, REPROVISION, DRAIN, LIVE))}
    agreed = [Effect(e.impact, e.what, e.nodes, e.consent, fresh.get(e.consent, "")) for e in found]
    return sorted(agreed, key=lambda effect: (order[effect.impact], effect.what))


def _data(before: Holdings, after: Holdings, skus: Mapping[str, str], former: Mapping[str, str]) -> Iterable[Effect]:
    """Volumes that leave or are kept otherwise, and machines with data that leave or become others."""
    kept: dict[str, list[str]] = {}
    for name, held in before.data.items():
        machines = sorted(_names(held["machines"]))
        now = after.data.get(name)
        if now is None:
            what = f"volume {name} leaves: nothing mounts what it holds"
            yield Effect(DATA_AT_RISK, what, tuple(machines), f"volume {name}")
        elif now["kind"] != held["kind"]:
            what = f"volume {name} becomes {now['kind']}: what it holds stays behind on {held['kind']}"
            yield Effect(DATA_AT_RISK, what, tuple(machines), f"volume {name}")
        there = set(_names(now["machines"])) if now else set(skus)
        for machine in machines:
            if machine not in there or skus.get(machine) != former[machine]:
                kept.setdefault(machine, []).append(name if name == CONTROLLER_DATA else f"volume {name}")
    for machine, names in kept.items():
        what = f"machine {machine} leaves or becomes another: data of {', '.join(names)} are on it"
        yield Effect(DATA_AT_RISK, what, (machine,), f"machine {machine}")


def _workers(before: Holdings, after: Holdings) -> Iterable[Effect]:
    """Nodes that no longer run jobs; more than the allowed share need consent. One may always go."""
    workers = set(_names(before.workers))
    lost = tuple(sorted(workers - set(_names(after.workers))))
    if not lost:
        return
    allowed = max(1, int(len(workers) * after.largest_loss // 100))
    if len(lost) <= allowed:
        yield Effect(DRAIN, "nodes are drained and run no more jobs", lost)
        return
    what = f"{len(lost)} of {len(workers)} nodes are drained and run no more jobs; {allowed} may go without consent"
    yield Effect(DRAIN, what, lost, f"loss of {len(lost)} nodes")


def effect_lines(effects: Iterable[Effect]) -> list[str]:
    """For people: nodes folded, and what to write where consent is missing."""
    lines = []
    for effect in effects:
        lines.append(f"{effect.impact}: {effect.what} ({','.join(fold(effect.nodes))})")
        if effect.given:
            lines.append(f"  with consent: {effect.given}")
    missing = sorted({effect.consent for effect in effects if effect.refused})
    if missing:
        lines.append("`pulumi up` refuses this; to have it so, write into the stack, with the reason:")
        lines += ["  changes:", "    consent:", *(f"      {name}: why it is wanted" for name in missing)]
    return lines


def _names(expressions: Iterable[str]) -> list[str]:
    return [name for expression in expressions for name in expand(expression)]
