"""Quantities that carry their unit in the stack definition, as integers in one base unit inside.

Power in W, data in bytes, current in A. A number without a unit is refused: kW and W must not be mixed up.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from gridmill.core.errors import printable

NOMINAL_VOLTAGE = 400
"""V between phases of a European low-voltage connection (EN 50160)."""

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_POWER = {"W": 1, "kW": 1_000, "MW": 1_000_000}
_APPARENT = {"VA": 1, "kVA": 1_000, "MVA": 1_000_000}
_TIME = {"min": 60, "s": 1, "h": 3600}
_DATA = {
    "B": 1,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "PB": 10**15,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}


def _refuse(value: object, expected: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError(
        "quantity",
        "{found} is not a quantity",
        {"found": printable(value), "expected": expected, "hint": hint},
    )


def _parse(value: object, units: dict[str, int], expected: str) -> int:
    if isinstance(value, bool) or value is None:
        raise _refuse(value, expected)
    if isinstance(value, (int, float)):
        if isinstance(value, float) and not math.isfinite(value):
            raise _refuse(value, expected)
        first = next(iter(units)) if len(units) == 1 else list(units)[1]
        raise _refuse(value, expected, f"write the unit: {value} {first}")
    if not isinstance(value, str):
        raise _refuse(value, expected)
    match = re.fullmatch(_NUMBER + r" ?([A-Za-z]{1,4})", value, re.ASCII)
    if not match or match[2] not in units:
        near = {unit.lower(): unit for unit in units}
        hint = f"write {match[1]} {near[match[2].lower()]}" if match and match[2].lower() in near else ""
        raise _refuse(value, expected, hint)
    amount = Decimal(match[1]) * units[match[2]]
    if amount != int(amount) or amount <= 0:
        raise _refuse(value, expected, "a positive amount, whole in its base unit")
    return int(amount)


def parse_power(value: object) -> int:
    """`"10.2 kW"` as 10200 (W)."""
    return _parse(value, _POWER, "a power such as 30 kW, 700 W or 1.2 MW")


def parse_ramp(value: object) -> int:
    """`"40 kW/min"` as 40000 (W per minute)."""
    expected = "a change of power such as 40 kW/min or 1 MW/min"
    if not isinstance(value, str) or not value.endswith("/min"):
        hint = f"write {value}/min" if isinstance(value, str) and re.fullmatch(_NUMBER + " ?[kM]?W", value) else ""
        raise _refuse(value, expected, hint)
    try:
        return _parse(value.removesuffix("/min"), _POWER, expected)
    except PydanticCustomError as error:
        raise _refuse(value, expected, str((error.context or {})["hint"])) from None


def parse_apparent_power(value: object) -> int:
    """`"50 kVA"` as 50000 (VA)."""
    return _parse(value, _APPARENT, "an apparent power such as 50 kVA")


def parse_data(value: object) -> int:
    """`"80 GB"` as 80000000000 (bytes)."""
    return _parse(value, _DATA, "an amount of data such as 80 GB, 2 TB or 512 GiB")


def parse_seconds(value: object) -> int:
    """`"2 min"` as 120 (s)."""
    return _parse(value, _TIME, "a time such as 120 s or 2 min")


def parse_percent(value: object) -> int:
    """`"25 %"` as 25."""
    match = re.fullmatch(r"([0-9]{1,2}|100) ?%", value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        plain = isinstance(value, int) and not isinstance(value, bool)
        raise _refuse(value, "a share such as 25 %", f"write the unit: {value} %" if plain else "")
    return int(match[1])


def _written(pattern: str, example: str) -> WithJsonSchema:
    """How the schema describes a quantity: as the text that a person writes."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]}, mode="validation")


Watts = Annotated[
    int,
    BeforeValidator(parse_power),
    _written(r"^[0-9]+(\.[0-9]+)? ?(W|kW|MW)$", "30 kW"),
]
WattsPerMinute = Annotated[
    int,
    BeforeValidator(parse_ramp),
    _written(r"^[0-9]+(\.[0-9]+)? ?(W|kW|MW)/min$", "40 kW/min"),
]
VoltAmperes = Annotated[
    int,
    BeforeValidator(parse_apparent_power),
    _written(r"^[0-9]+(\.[0-9]+)? ?(VA|kVA|MVA)$", "50 kVA"),
]
Bytes = Annotated[
    int,
    BeforeValidator(parse_data),
    _written(r"^[0-9]+(\.[0-9]+)? ?([MGTP]B|[MGT]iB|B)$", "80 GB"),
]
Seconds = Annotated[
    int,
    BeforeValidator(parse_seconds),
    _written(r"^[0-9]+ ?(s|min|h)$", "120 s"),
]
Percent = Annotated[
    int,
    BeforeValidator(parse_percent),
    _written(r"^[0-9]{1,3} ?%$", "25 %"),
]


@dataclass(frozen=True)
class Connection:
    """A grid connection: `3x63A` (three-phase fuse at 400 V) or an apparent power such as `630 kVA`."""

    text: str
    apparent_va: int
    """Apparent power in VA: sqrt(3) * 400 V * I for three phases, 230 V * I for one."""

    @classmethod
    def parse(cls, value: object) -> Connection:
        """Parse the text of a connection; PydanticCustomError when it is none."""
        expected = "a grid connection such as 3x250A or 630 kVA"
        if isinstance(value, Connection):
            return value
        if not isinstance(value, str):
            raise _refuse(value, expected)
        if match := re.fullmatch(r"([13])x([1-9][0-9]{0,4}) ?A", value, re.ASCII):
            volts = math.sqrt(3) * NOMINAL_VOLTAGE if match[1] == "3" else NOMINAL_VOLTAGE / math.sqrt(3)
            return cls(value, math.floor(volts * int(match[2])))
        if match := re.fullmatch(r"([1-9][0-9]{0,5}(?:\.[0-9]{1,3})?) ?(kVA|MVA)", value, re.ASCII):
            factor = 1_000 if match[2] == "kVA" else 1_000_000
            return cls(value, math.floor(Decimal(match[1]) * factor))
        raise _refuse(value, expected)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> core_schema.CoreSchema:
        """Validate with `parse`; print as the text that was written."""
        return core_schema.no_info_plain_validator_function(
            cls.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value.text),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The grammar of the text."""
        return {
            "type": "string",
            "pattern": r"^([13]x[1-9][0-9]{0,4} ?A|[0-9]+(\.[0-9]+)? ?[kM]VA)$",
            "examples": ["3x250A", "630 kVA"],
        }


def kilowatts(watts: int) -> str:
    """Watts as text in kW, exact to the watt: 22400 -> `22.4 kW`, 22401 -> `22.401 kW`."""
    return f"{Decimal(watts) / 1000:.3f}".rstrip("0").rstrip(".") + " kW"
