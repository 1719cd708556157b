"""What a change means for machines that run jobs: seven classes, from nothing to data at risk."""

from __future__ import annotations

from collections.abc import Iterable

NONE = "none"
LIVE = "live"
RECONFIGURE = "reconfigure"
DRAIN = "drain"
REBOOT = "reboot"
REPROVISION = "reprovision"
DATA_AT_RISK = "data at risk"
CLASSES = (NONE, LIVE, RECONFIGURE, DRAIN, REBOOT, REPROVISION, DATA_AT_RISK)
"""From the least to the worst.

none: nothing that runs notices. live: takes effect at once, jobs go on. reconfigure: a daemon reads its settings anew
or is restarted; jobs go on. drain: the node must be free of jobs. reboot: takes effect after a restart of the machine.
reprovision: the machine is set up anew. data at risk: what is stored there may be lost or out of reach.
"""


def worst(classes: Iterable[str]) -> str:
    """The worst of some classes; `none` of nothing."""
    return max(classes, key=CLASSES.index, default=NONE)


def affects_jobs(impact: str) -> bool:
    """Whether jobs that run on the machine must end, or would be lost."""
    return CLASSES.index(impact) >= CLASSES.index(DRAIN)
