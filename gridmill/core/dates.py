"""Dates in the stack definition, as text: `2027-04-01`."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.errors import printable

YEARS = range(2000, 2200)
"""Years that a plan may speak of."""


def parse_date(value: object) -> str:
    """A date as text, `2027-04-01`."""
    try:
        date = datetime.date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        date = None
    if date and date.year in YEARS:
        return date.isoformat()
    context = {"found": printable(value), "expected": "a date such as 2027-04-01", "hint": ""}
    raise PydanticCustomError("date", "{found} is not a date", context)


def parse_date_key(value: object) -> str:
    """A date as a key: written in one way only, or two keys could mean the same day."""
    date = parse_date(value)
    if value != date:
        context = {"found": printable(value), "expected": "year, month and day with hyphens", "hint": f"write {date}"}
        raise PydanticCustomError("date", "{found} is not how a date is written as a key", context)
    return date


_SCHEMA = WithJsonSchema({"type": "string", "format": "date", "examples": ["2027-04-01"]})

PlannedDate = Annotated[str, BeforeValidator(parse_date), _SCHEMA]
DateKey = Annotated[str, BeforeValidator(parse_date_key), _SCHEMA]


def years_later(date: str, years: int = 1) -> str:
    """The same day so many years later; 29 February becomes 1 March."""
    day = datetime.date.fromisoformat(date)
    try:
        return day.replace(year=day.year + years).isoformat()
    except ValueError:
        return datetime.date(day.year + years, 3, 1).isoformat()
