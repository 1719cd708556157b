"""The connection to the grid."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gridmill.model.base import Part
from gridmill.units import Connection, Watts


class Contract(Part):
    """The transport right that was contracted."""

    firm: Watts
    """Firm power at the meter that may be drawn at any time."""


class Grid(Part):
    """Where the site's power comes from, and what of it reaches the IT load."""

    connection: Connection
    """Physical size of the connection: `3x250A` at 400 V, or an apparent power such as `630 kVA`."""
    contract: Contract | None = None
    """Contracted power, when it is smaller than the connection."""
    power_factor: Annotated[float, Field(ge=0.5, le=1, strict=False)] = 0.95
    """Active divided by apparent power at the meter; server power supplies reach 0.95 under load."""
    pue: Annotated[float, Field(ge=1, le=3, strict=False)] = 1.25
    """Power at the meter divided by power of the IT load (ISO/IEC 30134-2)."""

    @property
    def limit_w(self) -> int:
        """What may be drawn at the meter, in W: the smaller of connection and contract."""
        physical = int(self.connection.apparent_va * self.power_factor)
        return min(physical, self.contract.firm) if self.contract else physical

    @property
    def it_limit_w(self) -> int:
        """What of that is left for the IT load, in W."""
        return int(self.limit_w / self.pue)
