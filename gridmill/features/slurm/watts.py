"""What Slurm may hand out in watts where it holds the site's power, and what a job takes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gridmill.catalog import Catalog
from gridmill.core.sections.site import Site
from gridmill.features.slurm.section import Scheduler
from gridmill.power.consumers import Caps, Consumer
from gridmill.power.scheduled import scheduled_power, standing

LICENSE = "watts"
"""Name of the licence in Slurm: one is 1 W of IT load above idle."""


@dataclass(frozen=True)
class WattsKind:
    """What a job takes in a partition, in W above idle: the most of what its kinds of nodes say, rounded up."""

    nodes: int
    """Nodes that a job can have there at most."""
    node_w: int
    """All of a node."""
    gpu_w: int
    """A node's share per GPU; a job takes one of these per node at least."""
    cpu_w: int
    """A node's share per hardware thread."""
    threads_per_core: int
    """Slurm hands out whole cores."""
    mixed: bool
    """Several kinds of nodes: GPUs may come from one kind and CPUs from another, so both shares are taken."""


@dataclass(frozen=True)
class WattsPlan:
    """The site's power as Slurm has it."""

    total_w: int
    """What jobs may take together, IT load."""
    base_w: int
    """What flows without any job: GPU nodes that run jobs idle, everything else at its most."""
    meter_limit_w: int
    """The limit that leaves least, at the meter."""
    limit: str
    """What it is, for people."""
    partitions: dict[str, WattsKind]
    """By partition; one without GPU nodes is not here, its nodes count at their most all the time."""
    anywhere: WattsKind
    """For a partition that the plan does not know."""


def plan_watts(site: Site, catalog: Catalog, caps: Caps) -> WattsPlan | None:
    """The plan of the installed pods; None where Slurm does not hold the power."""
    scheduled = scheduled_power(site, catalog, caps)
    if scheduled is None:
        return None
    held = [one for one in standing(site, catalog) if one.held]
    by_partition = {
        name: [one for one in held if one.group in partition.node_groups]
        for name, partition in sorted(site.of(Scheduler).partitions.items())
    }
    return WattsPlan(
        **asdict(scheduled),
        partitions={name: _kind(found, catalog, caps) for name, found in by_partition.items() if found},
        anywhere=_kind(held, catalog, caps),
    )


def _kind(machines: Iterable[Consumer], catalog: Catalog, caps: Caps) -> WattsKind:
    found = list(machines)
    kinds = {(one.group, one.sku): one for one in found}.values()
    skus = {one.sku: catalog.nodes[one.sku] for one in kinds}
    return WattsKind(
        nodes=len(found),
        node_w=max((one.rise_w(caps) for one in kinds), default=0),
        gpu_w=max((_share(one.rise_w(caps), one.gpus) for one in kinds), default=0),
        cpu_w=max((_share(one.rise_w(caps), skus[one.sku].cpu.threads) for one in kinds), default=0),
        threads_per_core=max((sku.cpu.threads_per_core for sku in skus.values()), default=1),
        mixed=len(kinds) > 1,
    )


def _share(watts: int, parts: int) -> int:
    """Watts per part, rounded up."""
    return -(-watts // parts)
