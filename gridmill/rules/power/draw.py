"""Draw of sets of machines: idle, typical, allocated, nameplate."""

from __future__ import annotations

from dataclasses import dataclass

from gridmill.catalog import Catalog
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
    """Sum over a pod's nodes; groups of unknown SKUs count nothing (another rule refuses them)."""
    total = Draw()
    for key, group in pod.nodes.items():
        if sku := catalog.nodes.get(group.sku):
            count, power = len(group.at), sku.power
            allocated = power.nameplate
            if sku.gpu and key in caps:
                gpu = catalog.gpus[sku.gpu.type].power
                allocated -= sku.gpu.count * (gpu.max - min(gpu.max, max(gpu.min, caps[key])))
            typical = min(power.typical, allocated)
            total += Draw(power.nameplate * count, allocated * count, typical * count, power.idle * count)
    return total
