"""How changes are made: what a preview asks, and how nodes that run jobs are changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gridmill.model.base import Part
from gridmill.model.rollout import Rollout
from gridmill.units import Seconds


class Preview(Part):
    """What `pulumi preview` does beside comparing plans."""

    machines: bool = True
    """Whether it asks the machines that a change concerns what would change there; never changes them."""
    limit: Seconds = 120
    """How long that may take, all phases together."""


class Changes(Part):
    """How changes are made."""

    preview: Preview = Preview()
    """What `pulumi preview` does."""
    rollout: Annotated[Rollout, Field(default_factory=lambda: Rollout.model_validate({}))]
    """How nodes are changed that run jobs."""
