"""Where a number of the catalogue comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import LineText, Part

Confidence = Literal["data-sheet", "documented", "measured", "unverified", "simulated"]


class Source(Part):
    """Where the numbers of a field come from."""

    of: LineText
    """Field or fields, such as `power.nameplate`."""
    from_: Annotated[LineText, Field(alias="from")]
    """Document, log or measurement."""
    confidence: Confidence
    """`unverified`: from memory, check before use."""
