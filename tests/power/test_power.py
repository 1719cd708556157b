"""The power predicate: exact sums, and no accepted site over a limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gridmill.core.errors import ProblemsError
from gridmill.core.units import Connection, kilowatts, parse_data, parse_power
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT
from tests.core.test_addresses import _DATA, definition


def test_the_lab_sums_up(lab_plan: SitePlan) -> None:
    power = lab_plan.pods[0].power
    assert (power.nameplate_w, power.allocated_w, power.typical_w, power.idle_w) == (22_400, 21_600, 17_950, 4_900)
    assert power.margin_w == 2_400
    assert lab_plan.meter_w == 27_000
    assert lab_plan.grid_limit_w == 33_171


@pytest.mark.parametrize(
    ("text", "volt_amperes"), [("3x63A", 43_647), ("3x250A", 173_205), ("1x16A", 3_695), ("630 kVA", 630_000)]
)
def test_connections(text: str, volt_amperes: int) -> None:
    assert Connection.parse(text).apparent_va == volt_amperes


@pytest.mark.parametrize(
    ("text", "watts"), [("700 W", 700), ("10.2 kW", 10_200), ("10.2kW", 10_200), ("1.2 MW", 1_200_000)]
)
def test_powers(text: str, watts: int) -> None:
    assert parse_power(text) == watts


@pytest.mark.parametrize(
    "text", ["", "W", "1 mW", "1.0001 W", "1e3 W", "٣ kW", "1 kW\n", "0 W", True, None, 5, "1,5 kW"]
)
def test_not_powers(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_power(text)


def test_data() -> None:
    assert (parse_data("80 GB"), parse_data("2 GiB")) == (80_000_000_000, 2_147_483_648)


@given(st.integers(1, 10**9))
def test_kilowatts_are_exact(watts: int) -> None:
    assert parse_power(kilowatts(watts)) == watts


@given(st.integers(1, 14), st.integers(1_000, 20_000))
def test_an_accepted_pod_is_within_its_budget(nodes: int, budget_w: int) -> None:
    definition([(1, 1)])
    data = {**_DATA, "scheduler": {"partitions": {"cpu": {"nodeGroups": ["cpu"]}}}}
    rack: dict[str, Any] = {"r1": {}}
    groups = {
        "control": {"sku": "sim-mgmt", "at": ["r1/u40"]},
        "cpu": {"sku": "sim-mgmt", "services": ["compute"], "at": [f"r1/u{unit}" for unit in range(1, nodes + 1)]},
    }
    data["pods"] = {"pod-a": {"budget": f"{budget_w} W", "racks": rack, "nodes": groups}}
    draw = 800 * (nodes + 1)
    if draw <= budget_w:
        assert plan_site(build_definition(data, ROOT)).pods[0].power.margin_w == budget_w - draw
    else:
        with pytest.raises(ProblemsError, match=f"needs {kilowatts(draw)}; limit: {kilowatts(budget_w)}, the budget"):
            build_definition(data, ROOT)
