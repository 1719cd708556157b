"""Draw of sets of machines: idle, typical, allocated, nameplate."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.catalog import Catalog, Node
from gridmill.model.pods import Pod
from gridmill.rules.power.consumers import Caps


@dataclass(frozen=True)
class Draw:
    """IT power in W of a set of nodes."""

    nameplate_w: int = 0
    """What must be provisioned without caps."""
    allocated_w: int = 0
    """What the caps in force guarantee; the nameplate without caps."""
    typical_w: int = 0
    """Observed under load, and never above what is allocated."""
    idle_w: int = 0

    def __add__(self, other: Draw) -> Draw:
        """The sum, field by field."""
        return Draw(
            self.nameplate_w + other.nameplate_w,
            self.allocated_w + other.allocated_w,
            self.typical_w + other.typical_w,
            self.idle_w + other.idle_w,
        )


def pod_draw(pod: Pod, catalog: Catalog, caps: Caps) -> Draw:
    """Sum over a pod's nodes and equipment; groups of unknown SKUs count nothing (another rule refuses them)."""
    total, equipment = Draw(), catalog.equipment
    for section, key, group in pod.groups:
        sku = catalog.nodes.get(group.sku) if section == "nodes" else equipment.get(group.sku)
        if sku is None:
            continue
        count, power = len(group.at), sku.power
        allocated = power.nameplate
        if isinstance(sku, Node) and sku.gpu and key in caps:
            gpu = catalog.gpus[sku.gpu.type].power
            allocated -= sku.gpu.count * (gpu.max - min(gpu.max, max(gpu.min, caps[key])))
        typical = min(power.typical, allocated)
        total += Draw(power.nameplate * count, allocated * count, typical * count, power.idle * count)
    return total
