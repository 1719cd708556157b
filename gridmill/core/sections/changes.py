"""How changes are made: what a preview asks, how nodes that run jobs are changed, and what needs consent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import LineText, Part, text
from gridmill.core.sections.rollout import Rollout
from gridmill.core.units import Percent, Seconds

ConsentName = Annotated[
    str,
    text(
        r"^(volume [a-z][a-z0-9-]{0,31}|machine [a-z][a-z0-9-]{0,62}|loss of [1-9][0-9]{0,6} nodes?)$",
        "the name of a change as a preview writes it, such as `volume scratch` or `loss of 3 nodes`",
    ),
]
"""Name of a change, as the refusal writes it: `volume NAME`, `machine NAME` or `loss of N nodes`."""


class Preview(Part):
    """What `pulumi preview` does beside comparing plans."""

    machines: bool = True
    """Whether it asks the machines that a change concerns what would change there; never changes them."""
    limit: Seconds = 120
    """How long that may take, all phases together."""
    plan_valid: Seconds = 604_800
    """How long a plan that was made by a preview may be applied (`gridmill apply`)."""


class Changes(Part):
    """How changes are made."""

    drift: Literal["ignore", "check"] = "ignore"
    """Whether previews also look for what was changed by hand on machines, and updates put it back."""
    preview: Preview = Preview()
    """What `pulumi preview` does."""
    rollout: Annotated[Rollout, Field(default_factory=lambda: Rollout.model_validate({}))]
    """How nodes are changed that run jobs."""
    largest_loss: Percent = 25
    """Share of the nodes that run jobs which one change may take out of service without consent; one node may always
    go."""
    consent: Annotated[dict[ConsentName, LineText], Field(default_factory=dict)]
    """Changes that put data at risk or take many nodes, each with the reason why it is wanted. A consent holds for the
    update that brings it; once used, it does nothing more."""
