"""A pod: its nodes, network and power budget, and the run that converges its machines."""

from typing import Optional, TypedDict

import pulumi
from pulumi_command import local

from gridmill.kernel.site_plan import HostPlan, PodPlan

from .ansible_run import PhaseRun, ansible_run
from .network import PodNetwork, pod_network_args
from .nodes import node_group
from .power import PowerBudget, power_budget_args


class PodArgs(TypedDict):
    index: pulumi.Input[int]
    """Number of the pod's address block."""
    nodes: pulumi.Input[int]
    """Number of machines."""
    nameplate_w: pulumi.Input[int]
    """Power of all machines, in W."""


class Pod(pulumi.ComponentResource):
    """A unit of growth of a site."""

    run: local.Command
    """The run that converges the pod's machines."""

    def __init__(
        self,
        name: str,
        plan: PodPlan,
        domain: str,
        phase: PhaseRun,
        opts: Optional[pulumi.ResourceOptions] = None,
    ) -> None:
        args: PodArgs = {
            "index": plan.index,
            "nodes": len(plan.hosts),
            "nameplate_w": plan.power.nameplate_w,
        }
        super().__init__("gridmill:index:Pod", name, dict(args), opts)
        inside = pulumi.ResourceOptions(parent=self)
        PowerBudget(f"{name}-power", power_budget_args(plan.power), inside)
        PodNetwork(f"{name}-network", pod_network_args(plan, domain), inside)
        groups: dict[str, list[HostPlan]] = {}
        for host in plan.hosts:
            groups.setdefault(host.group, []).append(host)
        for key, hosts in sorted(groups.items()):
            node_group(f"{name}-{key}", hosts, inside)
        self.run = ansible_run(f"{name}-converge", phase, parent=self)
        self.register_outputs({"nodes": args["nodes"], "nameplate_w": args["nameplate_w"]})
