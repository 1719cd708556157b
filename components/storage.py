"""The site's own storage: the nodes that serve volumes, before anything mounts them."""

from collections.abc import Mapping
from typing import Optional, TypedDict

import pulumi
from pulumi_command import local

from components.ansible_run import Phase, ansible_run
from gridmill.features.storage.plan import StoragePlan


class StorageArgs(TypedDict):
    volumes: pulumi.Input[Mapping[str, pulumi.Input[str]]]
    """Of every volume by name, its kind and group of servers (`moosefs of store`), or whether it is writable."""


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


class StorageExports(pulumi.ComponentResource):
    """Withdraws volumes that the plan has no longer, once every client was changed: until then they are in use."""

    run: local.Command
    """The run on the nodes that say who may mount what."""

    def __init__(
        self, name: str, plan: StoragePlan, phase: Phase, opts: Optional[pulumi.ResourceOptions] = None
    ) -> None:
        args: StorageArgs = {
            "volumes": {one.name: "read-only" if one.read_only else "writable" for one in plan.volumes if one.group},
        }
        super().__init__("gridmill:index:StorageExports", name, dict(args), opts)
        self.run = ansible_run(f"{name}-converge", phase, parent=self)
        self.register_outputs({"volumes": args["volumes"]})
