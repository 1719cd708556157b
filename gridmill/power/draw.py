"""Draw of sets of machines: idle, typical, allocated, nameplate."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.catalog import Catalog, Equipment, Node
from gridmill.core.sections.pods import Pod
from gridmill.power.consumers import Caps


@dataclass(frozen=True)
class Draw:
    """IT power in W of a set of nodes."""

    nameplate_w: int = 0
    """What must be provisioned without caps."""
    allocated_w: int = 0
    """What the caps guarantee; the nameplate without caps."""
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
        count, one = len(group.at), machine_draw(sku, catalog, caps.get(key) if section == "nodes" else None)
        total += Draw(one.nameplate_w * count, one.allocated_w * count, one.typical_w * count, one.idle_w * count)
    return total


def machine_draw(sku: Node | Equipment, catalog: Catalog, cap_w: int | None) -> Draw:
    """Draw of one machine whose GPUs run at this limit, or at their highest."""
    power = sku.power
    allocated = power.nameplate
    if isinstance(sku, Node) and sku.gpu and cap_w is not None:
        gpu = catalog.gpus[sku.gpu.type].power
        allocated -= sku.gpu.count * (gpu.max - min(gpu.max, max(gpu.min, cap_w)))
    return Draw(power.nameplate, allocated, min(power.typical, allocated), power.idle)
