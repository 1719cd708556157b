"""The keys of the stack definition."""

from __future__ import annotations

from gridmill.core.base import LineText, Part


class Motd(Part):
    """A message of the day."""

    text: LineText
    """One line for everybody who logs in."""
