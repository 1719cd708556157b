"""The connection to the grid."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import Part
from gridmill.core.dates import DateKey, PlannedDate
from gridmill.core.units import Connection, Watts, WattsPerMinute


class Contract(Part):
    """The transport right that was contracted."""

    firm: Watts
    """Firm power at the meter that may be drawn at any time, as contracted today."""
    later: Annotated[dict[DateKey, Watts], Field(default_factory=dict)]
    """What is contracted from a date on, such as `{2027-06-01: 800 kW}`. Pods that are planned for then count on it; it
    becomes `firm` by an edit, never by the passing of a day."""
    since: PlannedDate | None = None
    """Date since when `firm` is contracted."""
    congested: bool = False
    """Whether the grid operator has declared the area congested: power that is contracted and not used may be taken
    back there, and `gridmill growth` says from when on."""
    voltage: Literal["low", "medium", "high"] = "medium"
    """Level of the connection: up to 1 kV, below 110 kV, or from there on; it decides how much may stay unused."""

    def firm_on(self, date: str) -> int:
        """Firm power in W by a date, `2027-04-01`."""
        return self.later[max(begun)] if (begun := [start for start in self.later if start <= date]) else self.firm


class Grid(Part):
    """Where the site's power comes from, and what of it reaches the IT load."""

    connection: Connection
    """Physical size of the connection: `3x250A` at 400 V, or an apparent power such as `630 kVA`."""
    contract: Contract | None = None
    """Contracted power, when it is smaller than the connection."""
    power_factor: Annotated[float, Field(ge=0.5, le=1, strict=False)] = 0.95
    """Active divided by apparent power at the meter; server power supplies reach 0.95 under load."""
    ramp: WattsPerMinute | None = None
    """How fast the load at the meter may rise, such as `40 kW/min`: order and pace of switching machines on
    (`gridmill power SITE --sequence`), and Slurm's ResumeRate."""
    pue: Annotated[float, Field(ge=1, le=3, strict=False)] = 1.25
    """Power at the meter divided by power of the IT load (ISO/IEC 30134-2)."""

    def limit_on(self, date: str) -> int:
        """What may be drawn at the meter by a date, `2027-04-01`, in W: the smaller of connection and contract."""
        physical = int(self.connection.apparent_va * self.power_factor)
        return min(physical, self.contract.firm_on(date)) if self.contract else physical
