"""How changes are made: what a preview asks."""

from __future__ import annotations

from gridmill.model.base import Part
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
