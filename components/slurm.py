"""The site's Slurm: its control plane before the pods, and the job that proves it after them."""

from collections.abc import Mapping, Sequence
from typing import Optional, TypedDict

import pulumi
from pulumi_command import local

from components.ansible_run import Phase, ansible_run
from gridmill.kernel.site_plan import SlurmPlan


class SlurmControlArgs(TypedDict):
    cluster: pulumi.Input[str]
    """Name of the Slurm cluster."""
    nodes: pulumi.Input[Sequence[pulumi.Input[str]]]
    """Compute nodes, as host list expressions."""
    partitions: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Nodes of every partition by its name."""


class SlurmControl(pulumi.ComponentResource):
    """Controllers: the site's DNS, accounting and slurmctld."""

    run: local.Command
    """The run that converges the controllers."""

    def __init__(self, name: str, plan: SlurmPlan, phase: Phase, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        args: SlurmControlArgs = {
            "cluster": plan.settings["ClusterName"],
            "nodes": [line["NodeName"] for line in plan.nodes],
            "partitions": {line["PartitionName"]: line["Nodes"] for line in plan.partitions},
        }
        super().__init__("gridmill:index:SlurmControl", name, dict(args), opts)
        self.run = ansible_run(f"{name}-converge", phase, parent=self)
        self.register_outputs({"cluster": args["cluster"]})


class KeyRotation(pulumi.ComponentResource):
    """The cluster's keys: which epoch every machine has come to. Only sites that ever rotated have one."""

    run: local.Command
    """The run that goes over to the new key, and then drops the old one."""

    def __init__(self, name: str, plan: SlurmPlan, phase: Phase, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        super().__init__("gridmill:index:KeyRotation", name, {"epoch": plan.key_epoch}, opts)
        self.run = ansible_run(f"{name}-run", phase, parent=self)
        self.register_outputs({"epoch": plan.key_epoch})


class Acceptance(pulumi.ComponentResource):
    """A job on every GPU partition that asked for GPUs, got them, and is accounted; the site is up when it says so."""

    run: local.Command
    """The run that submits the jobs and looks at what became of them."""

    def __init__(self, name: str, phase: Phase, opts: Optional[pulumi.ResourceOptions] = None) -> None:
        jobs = [job["name"] for job in phase.document["groups"]["controllers"]["vars"]["acceptance_jobs"]]
        super().__init__("gridmill:index:Acceptance", name, {"jobs": jobs}, opts)
        self.run = ansible_run(f"{name}-run", phase, parent=self)
        self.register_outputs({"jobs": jobs})
