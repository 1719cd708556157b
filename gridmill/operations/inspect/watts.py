"""What jobs have reserved of the site's power, where Slurm holds it. One SSH connection, to the controller."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from gridmill.core.units import kilowatts
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.features.slurm.watts import LICENSE
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.hosts.ssh import run_as_root

WORDS = ["scontrol", "--oneliner", "show", "licenses", LICENSE]


@dataclass(frozen=True)
class WattsStatus:
    """Watts above idle, of IT load."""

    total_w: int
    """What all jobs together may draw, as the plan says."""
    slurm_total_w: int
    """What Slurm goes by; another number until the controller is converged."""
    reserved_w: int
    """What running jobs take."""
    free_w: int
    """What is left; 0 while jobs from before a change hold more than there is."""


def watts_status(plan: SitePlan, ask: Callable[[], str] | None = None) -> WattsStatus | None:
    """None where Slurm does not hold the power. OperationError without a controller, or when Slurm knows none."""
    watts = plan.of(SlurmPlan).watts
    if watts is None:
        return None
    output = (ask or _over_ssh(plan))()
    found = {key: int(value) for key, value in re.findall(r"\b(Total|Used|Free)=(\d+)", output)}
    return WattsStatus(watts.total_w, *(found.get(key, 0) for key in ("Total", "Used", "Free")))


def watts_line(watts: WattsStatus) -> str:
    """For people."""
    line = (
        f"Jobs: {kilowatts(watts.reserved_w)} above idle reserved of {kilowatts(watts.total_w)},"
        f" {kilowatts(watts.free_w)} free"
    )
    if watts.slurm_total_w != watts.total_w:
        line += f"; Slurm still goes by {kilowatts(watts.slurm_total_w)}"
    return line


def _over_ssh(plan: SitePlan) -> Callable[[], str]:
    controller = plan.with_service("controller")[0]
    connection = plan_connection(plan)
    return lambda: run_as_root(connection, controller.name, controller.address, WORDS, what="watts")
