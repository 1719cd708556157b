"""`gridmill growth`, and what `gridmill power` says of a date and of switching on."""

from __future__ import annotations

import argparse
import datetime
from typing import Any

from pydantic_core import PydanticCustomError

from gridmill.core.dates import parse_date
from gridmill.core.errors import Problem, ProblemsError
from gridmill.kernel.definition import Definition
from gridmill.power.growth import growth_report
from gridmill.power.sequence import power_on_sequence
from gridmill.report.growth_tables import growth_table, sequence_table


def add_power_arguments(command: argparse.ArgumentParser) -> None:
    """Another question about the same power."""
    which = command.add_mutually_exclusive_group()
    which.add_argument("--at", type=_date, metavar="DATE", help="the site as it is planned to stand by a date")
    which.add_argument("--sequence", action="store_true", help="order and pace of switching on, within grid.ramp")


def _date(text: str) -> str:
    try:
        return parse_date(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2027-04-01") from error


def growth(definition: Definition) -> tuple[dict[str, Any], str]:
    """The growth of a site for machines and for people; years are counted from the present one."""
    year = datetime.datetime.now(tz=datetime.UTC).year
    report = growth_report(definition.site, definition.catalog, year)
    return report.as_dict(), growth_table(definition.site.name, report)


def sequence(definition: Definition) -> tuple[dict[str, Any], str]:
    """Order and pace of switching on; ProblemsError without a ramp."""
    found = power_on_sequence(definition.power)
    if found is None:
        problem = Problem(("grid", "ramp"), "without a ramp there is no pace", "a change of power", "ramp: 40 kW/min")
        raise ProblemsError([problem.located(definition.file, definition.lines)])
    return found.as_dict(), sequence_table(definition.site.name, found)
