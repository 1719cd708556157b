"""`gridmill size`: a what-if without a stack."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gridmill.catalog import load_catalog
from gridmill.core.diagnose import problems_of
from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.sections.grid import Grid
from gridmill.core.sections.power import Power
from gridmill.power.sizing import FEED_LETTERS, RACK_COOLING_W, Question, size
from gridmill.report.power_tables import size_table

PartModel = TypeVar("PartModel", bound=BaseModel)

OPTIONS: dict[str | int, str] = {
    "connection": "--connection",
    "contract": "--contract",
    "pue": "--pue",
    "powerFactor": "--power-factor",
    "designMargin": "--design-margin",
}
"""Options that stand for keys of a stack."""


def add_size_arguments(command: argparse.ArgumentParser) -> None:
    """What can be asked."""
    command.add_argument("--system", required=True, help="SKU of the catalogue, such as dgx-h100")
    command.add_argument("--nodes", type=_whole(1, 100_000), required=True, help="how many of them")
    command.add_argument("--pue", type=float, default=1.25, help="power at the meter divided by IT power (1.25)")
    command.add_argument("--connection", help="3x250A or 630 kVA; without it and a contract only the load is said")
    command.add_argument("--power-factor", type=float, default=0.95, help="at the meter (0.95)")
    command.add_argument(
        "--design-margin", type=float, help="share of the connection that may be planned with (0.8, as in a stack)"
    )
    command.add_argument("--contract", help="contracted power, such as '140 kW'")
    command.add_argument("--feeds", type=_whole(1, len(FEED_LETTERS)), default=2, help="independent feeds (2)")
    command.add_argument(
        "--rack-cooling",
        type=_whole(1, 1000),
        default=RACK_COOLING_W // 1000,
        help="kW that air takes from a rack (25)",
    )
    command.add_argument("--json", action="store_true", help="for machines")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def show_size(options: argparse.Namespace) -> int:
    """Print the answer; status 0 whether it fits or not, 1 for a question that makes no sense."""
    grid_data = {
        "connection": "1 kVA" if options.connection is None else options.connection,
        "pue": options.pue,
        "powerFactor": options.power_factor,
    }
    if options.contract is not None:
        grid_data["contract"] = {"firm": options.contract}
    grid, found = _part(Grid, grid_data)
    power, more = _part(Power, {"feeds": {"A": {}}, "designMargin": options.design_margin})
    if grid is None or power is None:
        raise ProblemsError([*found, *more], "the question")
    question = Question(
        system=options.system,
        nodes=options.nodes,
        connection=grid.connection if options.connection is not None else None,
        contract_w=grid.contract.firm if grid.contract else None,
        power_factor=grid.power_factor,
        design_margin=power.usable,
        pue=grid.pue,
        feeds=options.feeds,
        rack_cooling_w=options.rack_cooling * 1000,
    )
    answer = size(question, load_catalog())
    print(json.dumps(answer, indent=2) if options.json else size_table(answer))
    return 0


def _part(model: type[PartModel], data: dict[str, Any]) -> tuple[PartModel | None, list[Problem]]:
    """What was asked, checked as a stack's own values are; or what is wrong with it, named after the options."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, [replace(problem, path=(OPTIONS[problem.path[0]],)) for problem in problems_of(error, model)]
