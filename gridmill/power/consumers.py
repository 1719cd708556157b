"""What draws power: every planned machine and piece of equipment, with its supplies on feeds and phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridmill.catalog import Catalog, Equipment, Node
from gridmill.catalog.services import services_of
from gridmill.core.sections.pods import Pod, Rack, Slot
from gridmill.core.sections.power import Power
from gridmill.core.sections.site import Site

PHASES = 3

Caps = Mapping[str, int]
"""Power limit per GPU in W by group of nodes; a group without one runs at the GPU's highest."""


@dataclass(frozen=True)
class GpuClass:
    """GPUs that are capped together: one type in one group of nodes."""

    group: str
    type: str
    min_w: int
    max_w: int

    def cap_w(self, caps: Caps) -> int:
        """The limit that `caps` mean for such a GPU, inside the range that its driver accepts."""
        return min(self.max_w, max(self.min_w, caps.get(self.group, self.max_w)))


@dataclass(frozen=True)
class Supply:
    """One power supply: its feed, and the phase of that feed's PDU."""

    feed: str
    phase: int


@dataclass(frozen=True)
class Consumer:
    """One machine or piece of equipment. Its draw is `fixed_w` plus its GPUs at their limit."""

    pod: str
    group: str
    slot: Slot
    sku: str
    fixed_w: int
    """Nameplate without the GPUs at their highest limit."""
    gpus: int
    gpu: GpuClass | None
    supplies: tuple[Supply, ...]
    supply_w: int | None
    """What one supply can give; None when the catalogue does not know."""
    needed: int
    """Fewest supplies with which the machine runs."""
    bus_bar: bool = False
    """Whether it hangs on its rack's bus bar: its supplies are then those of the shelves, each on all three phases."""
    section: str = "nodes"
    """Where its group stands in the pod: `nodes` or `equipment`."""
    liquid_share: float = 0.0
    """Share of its heat that liquid takes."""
    air_share: float = 1.0
    """Share that goes into the air; both are whole where nobody knows."""
    idle_w: int = 0
    """Draw without work."""
    held: bool = False
    """Whether it works only as far as Slurm lets it: a GPU node that runs jobs, in a site whose power is scheduled."""

    def draw_w(self, caps: Caps) -> int:
        """The most that the machine draws under these caps."""
        return self.fixed_w + (self.gpus * self.gpu.cap_w(caps) if self.gpu else 0)

    def rise_w(self, caps: Caps) -> int:
        """The most that work adds to its idle draw under these caps."""
        return max(0, self.draw_w(caps) - self.idle_w)

    def alive(self, lost_feed: str) -> tuple[Supply, ...]:
        """Supplies that are left without a feed; none when they are too few to run."""
        left = tuple(supply for supply in self.supplies if supply.feed != lost_feed)
        return left if len(left) >= self.needed else ()


Shelves = Mapping[str, list[tuple[Slot, int]]]
"""Power shelves of a pod by rack, from below: slot, and what each gives in W."""


def shelves_of(pod: Pod, catalog: Catalog) -> Shelves:
    """The power shelves that feed bus bars."""
    found: dict[str, list[tuple[Slot, int]]] = {}
    for group in pod.equipment.values():
        sku = catalog.shelves.get(group.sku)
        if sku and sku.output:
            for slot in group.at:
                found.setdefault(slot.rack, []).append((slot, sku.output))
    return {rack: sorted(shelves) for rack, shelves in found.items()}


def consumers(site: Site, catalog: Catalog) -> list[Consumer]:
    """All machines and equipment whose SKU and rack are known (other rules refuse the rest)."""
    equipment = catalog.equipment
    scheduled = site.power is not None and site.power.scheduled
    runs_jobs = {
        (pod_key, group_key)
        for pod_key, pod in site.pods.items()
        for group_key, group in pod.nodes.items()
        if scheduled and "compute" in services_of(group, catalog)
    }
    return [
        _consumer(
            site.power,
            catalog,
            (section, pod_key, group_key),
            runs_jobs,
            sku,
            slot,
            pod.racks[slot.rack],
            shelves=shelves,
        )
        for pod_key, pod in site.pods.items()
        for shelves in (shelves_of(pod, catalog),)
        for section, group_key, group in pod.groups
        if (sku := catalog.nodes.get(group.sku) if section == "nodes" else equipment.get(group.sku))
        for slot in group.at
        if slot.rack in pod.racks
    ]


def _consumer(
    power: Power | None,
    catalog: Catalog,
    place: tuple[str, str, str],
    runs_jobs: set[tuple[str, str]],
    sku: Node | Equipment,
    slot: Slot,
    rack: Rack,
    *,
    shelves: Shelves,
) -> Consumer:
    section, pod, group = place
    gpu, count, gpu_w = None, 0, 0
    if isinstance(sku, Node) and sku.gpu and sku.gpu.type in catalog.gpus:
        kind = catalog.gpus[sku.gpu.type]
        gpu, count = GpuClass(group, kind.id, kind.power.min, kind.power.max), sku.gpu.count
        gpu_w = count * kind.power.max
    feeds = sorted(rack.pdus or {}) or sorted(power.feeds if power else ())
    count_of = sku.supplies.count if sku.supplies else len(feeds)
    supplies = tuple(
        Supply(feeds[index % len(feeds)], (slot.unit + index // len(feeds)) % PHASES)
        for index in range(count_of if feeds else 0)
    )
    if sku.bus_bar:  # a shelf has one cord of three phases; shelves alternate between the feeds
        numbers = range(len(shelves.get(slot.rack, [])) if feeds else 0)
        supplies = tuple(Supply(feeds[number % len(feeds)], phase) for number in numbers for phase in range(PHASES))
    return Consumer(
        section=section,
        pod=pod,
        group=group,
        slot=slot,
        sku=sku.id,
        fixed_w=max(0, sku.power.nameplate - gpu_w),
        gpus=count,
        gpu=gpu,
        supplies=supplies,
        bus_bar=sku.bus_bar,
        supply_w=sku.supplies.each if sku.supplies else None,
        needed=sku.supplies.needed if sku.supplies else 1,
        liquid_share=1.0 if sku.liquid and sku.liquid_share is None else sku.liquid_share or 0.0,
        air_share=1.0 - (sku.liquid_share or 0.0),
        idle_w=sku.power.idle,
        held=gpu is not None and section == "nodes" and (pod, group) in runs_jobs,
    )
