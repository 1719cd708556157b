"""Groups of equal machines as resources: GPU nodes, storage, and everything else. Nodes are data inside them."""

from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, Optional, TypedDict

import pulumi

from gridmill.kernel.site_plan import HostPlan


class NodeGroupArgs(TypedDict):
    sku: pulumi.Input[str]
    """SKU in the catalogue."""
    services: pulumi.Input[Sequence[pulumi.Input[str]]]
    """What the nodes do."""
    slots: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Lowest units of the nodes by rack, such as `u1,u9`; with pod and rack they make a node's name. The document of
    the pod's run has every name, and once more here would be a tenth of a large site's state."""
    gpu_model: NotRequired[pulumi.Input[str]]
    """GPU model; only for GPU nodes."""
    gpus_per_node: NotRequired[pulumi.Input[int]]
    """GPUs in one node; only for GPU nodes."""
    simulated: NotRequired[pulumi.Input[bool]]
    """Whether the nodes exist only in a virtual site."""


class NodeGroup(pulumi.ComponentResource):
    """Equal machines in their slots."""

    count: pulumi.Output[int]
    """Number of nodes."""

    def __init__(
        self,
        name: str,
        args: NodeGroupArgs,
        opts: Optional[pulumi.ResourceOptions] = None,
        *,
        token: str = "gridmill:index:NodeGroup",  # noqa: S107 - a Pulumi type token
    ) -> None:
        super().__init__(token, name, dict(args), opts)
        self.count = pulumi.Output.from_input(args["slots"]).apply(_count)
        outputs: dict[str, pulumi.Output[int]] = {"count": self.count}
        self.register_outputs(outputs | self.more_outputs(args))

    def more_outputs(self, args: NodeGroupArgs) -> dict[str, pulumi.Output[int]]:
        """Outputs that only some kinds of nodes have."""
        return {}


class GpuNodes(NodeGroup):
    """Bare-metal GPU nodes of one SKU."""

    gpus: pulumi.Output[int]
    """GPUs in all nodes together."""

    def __init__(self, name: str, args: NodeGroupArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__(name, args, opts, token="gridmill:index:GpuNodes")  # noqa: S106 - a Pulumi type token

    def more_outputs(self, args: NodeGroupArgs) -> dict[str, pulumi.Output[int]]:
        """Number of GPUs."""
        self.gpus = pulumi.Output.all(self.count, args.get("gpus_per_node", 0)).apply(lambda n: int(n[0] * n[1]))
        return {"gpus": self.gpus}


class StorageNodes(NodeGroup):
    """Storage servers of one SKU."""

    def __init__(self, name: str, args: NodeGroupArgs, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__(name, args, opts, token="gridmill:index:StorageNodes")  # noqa: S106 - a Pulumi type token


def _slots(hosts: Sequence[HostPlan]) -> dict[str, str]:
    units: dict[str, list[int]] = {}
    for host in hosts:
        units.setdefault(host.rack, []).append(host.unit)
    return {rack: ",".join(f"u{unit}" for unit in sorted(found)) for rack, found in units.items()}


def _count(slots: Mapping[str, Any]) -> int:
    return sum(len(units.split(",")) for units in slots.values())


def node_group(name: str, hosts: Sequence[HostPlan], opts: pulumi.ResourceOptions) -> NodeGroup:
    """The resource for planned hosts of one group, by their kind."""
    first = hosts[0]
    args: NodeGroupArgs = {
        "sku": first.sku,
        "services": list(first.services),
        "slots": _slots(hosts),
        "simulated": first.simulated,
    }
    if first.gpu:
        args["gpu_model"] = ("simulated " if first.simulated else "") + first.gpu.model
        args["gpus_per_node"] = first.gpu.count
        return GpuNodes(name, args, opts)
    return StorageNodes(name, args, opts) if first.kind == "storage" else NodeGroup(name, args, opts)
