"""`gridmill size`: a what-if without a stack."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from pydantic import ValidationError

from gridmill.catalog import load_catalog
from gridmill.errors import ProblemsError
from gridmill.model.diagnose import problems_of
from gridmill.model.grid import Grid
from gridmill.plan.sizing import FEED_LETTERS, RACK_COOLING_W, Question, size
from gridmill.render.power_tables import size_table


def add_size_arguments(command: argparse.ArgumentParser) -> None:
    """What can be asked."""
    command.add_argument("--system", required=True, help="SKU of the catalogue, such as dgx-h100")
    command.add_argument("--nodes", type=_whole(1, 100_000), required=True, help="how many of them")
    command.add_argument("--pue", type=float, default=1.25, help="power at the meter divided by IT power (1.25)")
    command.add_argument("--connection", help="3x250A or 630 kVA; without it only the load is said")
    command.add_argument("--power-factor", type=float, default=0.95, help="at the meter (0.95)")
    command.add_argument("--contract", help="contracted power, when smaller than the connection, such as '140 kW'")
    command.add_argument("--feeds", type=_whole(1, len(FEED_LETTERS)), default=2, help="independent feeds (2)")
    command.add_argument(
        "--rack-cooling", type=_whole(1, 1000), default=RACK_COOLING_W // 1000, help="kW that one rack can lose (25)"
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
    data = {"connection": options.connection or "1 kVA", "pue": options.pue, "powerFactor": options.power_factor}
    if options.contract:
        data["contract"] = {"firm": options.contract}
    try:
        grid = Grid.model_validate(data)
    except ValidationError as error:
        raise ProblemsError(problems_of(error, Grid)) from error
    question = Question(
        system=options.system,
        nodes=options.nodes,
        grid=grid if options.connection else None,
        pue=options.pue,
        feeds=options.feeds,
        rack_cooling_w=options.rack_cooling * 1000,
    )
    answer = size(question, load_catalog())
    print(json.dumps(answer, indent=2) if options.json else size_table(answer))
    return 0
