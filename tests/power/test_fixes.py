"""What a problem of the power plan proposes: it must hold when it is done."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from gridmill.core.errors import Problem, path_text
from gridmill.load import build_definition
from tests.conftest import ROOT
from tests.power.test_power_chain import problems, site


def bare(nodes: int, budget: str, connection: str = "3x250A") -> dict[str, Any]:
    """A site without a `power` section; control nodes and GPU nodes count."""
    data = site(nodes=nodes, racks=3)
    del data["power"]
    data["grid"] = {"connection": connection, "pue": 1.25}
    data["pods"]["pod-a"] |= {"budget": budget, "racks": {f"r{number}": {} for number in (1, 2, 3)}}
    return data


def only(data: dict[str, Any]) -> Problem:
    (problem,) = problems(data)
    return problem


def proposed(hint: str) -> dict[str, Any]:
    """The `power` section that a hint proposes."""
    found = re.search(r"\((power: .*?)\)", hint)
    assert found, hint
    return dict(yaml.safe_load("{" + found[1] + "}"))


def test_the_first_caps_hold_as_they_are_proposed() -> None:
    data = bare(12, "120 kW")
    problem = only(data)
    assert path_text(problem.path) == "pods.pod-a.budget"
    # 131.635 kW / 1.25 - 0.8 kW, by twelve: 8.709 kW a system, 4.6 kW of it without GPUs; without the margin the budget of 120 kW is tighter
    assert problem.hint.startswith(
        "a cap of 513 W per GPU, or of 666 W with designMargin: 1 there (power: {feeds: {A: {}}, caps: auto}); or "
    )
    data |= proposed(problem.hint)
    assert build_definition(data, ROOT).power.caps == {"gpu": 513}
    data["power"]["designMargin"] = 1
    assert build_definition(data, ROOT).power.caps == {"gpu": 666}


def test_where_the_design_margin_leaves_no_cap_it_is_part_of_the_proposal() -> None:
    data = bare(12, "100 kW", "3x200A")  # 131.635 kW at the meter; 84.246 kW of IT load with the margin
    data["pods"]["pod-a"]["nodes"]["more"] = {
        "sku": "srv-cpu",
        "at": [f"r{rack}/u{unit}" for rack in (1, 2, 3) for unit in range(34, 40)],
    }
    problem = only(data)
    assert "(power: {feeds: {A: {}}, designMargin: 1, caps: auto})" in problem.hint
    build_definition(data | proposed(problem.hint), ROOT)


def test_what_no_cap_holds_is_given_none() -> None:
    assert "cap of" not in only(bare(12, "60 kW")).hint


def fed_by(letters: str, sku: str) -> dict[str, Any]:
    data = site(nodes=2, racks=1)
    data["power"]["feeds"] = {letter: {} for letter in letters}
    pod = data["pods"]["pod-a"]
    pod["racks"] = {"r1": {"pdus": dict.fromkeys(letters, "pdu-3x63a")}}
    pod["nodes"]["gpu"] = {"sku": sku, "at": ["r1/u1", "r1/u11"]}
    return data


@pytest.mark.parametrize(
    ("sku", "letters", "hint"),
    [
        ("dgx-b200", "AB", "6 feeds (power.feeds) and PDUs of 6 feeds in the rack (then each has at most 1 of the 6 supplies); or plan: n"),
        ("dgx-b200", "ABC", "6 feeds (power.feeds) and PDUs of 6 feeds in the rack (then each has at most 1 of the 6 supplies); or plan: n"),
        ("dgx-h100", "A", "2 feeds (power.feeds) and PDUs of 2 feeds in the rack (then each has at most 3 of the 6 supplies); or plan: n"),
    ],
)  # fmt: skip
def test_as_many_feeds_as_it_takes(sku: str, letters: str, hint: str) -> None:
    found = {path_text(problem.path): problem for problem in problems(fed_by(letters, sku))}
    assert found["pods.pod-a.nodes.gpu"].hint == hint
    enough = fed_by("ABCDEF"[: int(hint[0])], sku)
    enough["power"]["caps"] = "auto"
    build_definition(enough, ROOT)


def test_a_feed_that_only_the_rack_lacks() -> None:
    data = fed_by("AB", "dgx-h100")
    del data["pods"]["pod-a"]["racks"]["r1"]["pdus"]["B"]
    found = {path_text(problem.path): problem for problem in problems(data)}
    hint = "PDUs of 2 feeds in the rack (then each has at most 3 of the 6 supplies); or plan: n"
    assert found["pods.pod-a.nodes.gpu"].hint == hint
