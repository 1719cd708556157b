"""One phase of a site as a resource: what a preview shows of it, and the run on its machines."""

from collections.abc import Mapping
from typing import Any, Optional

import pulumi
from pulumi_command import local

from gridmill.phases import Phase

from .ansible_run import PhaseRun, ansible_run


class SitePhase(pulumi.ComponentResource):
    """A phase of the table in gridmill/phases.py. Removing it takes its machines out of service where the table names
    a playbook for that; volumes go on being served."""

    run: local.Command
    """The run on its machines."""

    def __init__(
        self,
        name: str,
        phase: Phase,
        inputs: Mapping[str, Any],
        run: PhaseRun,
        opts: Optional[pulumi.ResourceOptions] = None,
    ) -> None:
        super().__init__(f"gridmill:index:{phase.component}", name, dict(inputs), opts)
        self.run = ansible_run(f"{name}-{phase.run}", run, parent=self)
        self.register_outputs(dict(inputs))
