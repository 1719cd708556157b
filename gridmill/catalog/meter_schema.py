"""What a meter's file may say: its protocol, and where which value stands."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.catalog.sources import Source
from gridmill.core.base import LineText, Part, SkuId, text

Register = Annotated[int, Field(ge=0, le=65535)]
"""Address of a value's first register as it goes over the wire, counted from 0."""

Oid = Annotated[str, text(r"^1\.3(\.[0-9]{1,10}){2,40}$", "an object identifier, such as 1.3.6.1.4.1.318.1.1")]
"""Object identifier of SNMP."""

Factor = Annotated[float, Field(gt=0, le=1_000_000, strict=False)]


class ModbusMap(Part):
    """Registers of a meter that speaks Modbus TCP, or hangs on a gateway that does."""

    registers: Literal["holding", "input"]
    """Function 3 or 4."""
    type: Literal["float32", "int32", "uint32", "int16", "uint16"]
    words: Literal["high-first", "low-first"] = "high-first"
    """Order of the two registers of a value of 32 bits."""
    power: Register
    """Active power of all phases together."""
    phase_power: Annotated[list[Register], Field(min_length=1, max_length=3)]
    """Active power by phase."""
    phase_current: Annotated[list[Register], Field(min_length=1, max_length=3)]
    """Current by phase."""


class SnmpMap(Part):
    """Objects of a meter that speaks SNMP: whole numbers."""

    power: Oid
    phase_power: Annotated[list[Oid], Field(min_length=1, max_length=3)]
    phase_current: Annotated[list[Oid], Field(min_length=1, max_length=3)]


class MeterSku(Part):
    """A meter: the connection's, a feed's, or the one in a rack PDU."""

    id: SkuId
    model: LineText
    modbus: ModbusMap | None = None
    snmp: SnmpMap | None = None
    """Either of both."""
    watts: Factor = 1.0
    """W that a reading of 1 means."""
    amperes: Factor = 1.0
    """A that a reading of 1 means."""
    simulated: bool = False
    """Whether the meter only exists in a virtual site."""
    sources: Annotated[list[Source], Field(min_length=1)]

    @property
    def protocol(self) -> str:
        """`modbus` or `snmp`."""
        return "modbus" if self.modbus else "snmp"
