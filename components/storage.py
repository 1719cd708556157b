"""The site's own storage: the nodes that serve volumes, before anything mounts them."""

from collections.abc import Mapping
from typing import Optional, TypedDict

import pulumi
from pulumi_command import local

from components.ansible_run import Phase, ansible_run
from gridmill.plan import StoragePlan


class StorageArgs(TypedDict):
    volumes: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Kind and group of servers (`moosefs of store`) of every volume by name."""


class Storage(pulumi.ComponentResource):
    """Servers of the site's volumes. Removing it leaves them serving: their data are nobody's to take away."""

    run: local.Command
    """The run that converges the servers."""

    def __init__(
        self, name: str, plan: StoragePlan, phase: Phase, opts: Optional[pulumi.ResourceOptions] = None
    ) -> None:
        args: StorageArgs = {
            "volumes": {one.name: f"{one.kind} of {one.group}" for one in plan.volumes if one.group},
        }
        super().__init__("gridmill:index:Storage", name, dict(args), opts)
        self.run = ansible_run(f"{name}-converge", phase, parent=self)
        self.register_outputs({"volumes": args["volumes"]})
