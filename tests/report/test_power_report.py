"""What people see of a site's power: the report, its table and its diagram."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmill.load import build_definition, load_definition
from gridmill.operations.cli import main
from gridmill.plan import plan_site
from gridmill.power.levels import power_levels
from gridmill.power.limit import NORMAL, Limit, Load
from gridmill.power.report import power_report
from gridmill.report.one_line import one_line_svg
from gridmill.report.power_tables import power_table
from tests.conftest import ROOT
from tests.power.test_power_chain import site

SVG = "{http://www.w3.org/2000/svg}"


def test_a_loss_says_what_it_costs_whatever_the_policy() -> None:
    definition = build_definition(site(nodes=2, racks=2, pdu="pdu-3x63a", plan="n"), ROOT)
    losses = {row.situation: row for row in power_report(definition.site, definition.catalog).losses}
    lost = losses["with feed A lost"]
    assert (lost.survive, lost.survive_at_cap, lost.lost, lost.gpu_cap_w) == (0, 3, 0, 662)
    supply = losses["with one supply of any machine lost"]
    assert (supply.survive, supply.gpu_cap_w) == (3, 700)


def test_each_limit_is_shown_in_its_worst_situation() -> None:
    definition = build_definition(site(nodes=2, racks=2, pdu="pdu-3x63a", caps={"gpu": "600 W"}, ups="3x40"), ROOT)
    plan, report = plan_site(definition), power_report(definition.site, definition.catalog)
    rows = {row.element: row for row in report.limits}
    ups = rows["the UPS of feed A"]
    assert (ups.situation, ups.carries_w) == ("with one module lost", (800 + 2 * 9400) // 2)
    table = power_table(plan, report)
    assert "power limit per GPU: gpu 600 W" in table
    drawing = ElementTree.fromstring(one_line_svg(plan, report))  # noqa: S314 - our own text
    texts = [element.text or "" for element in drawing.iter(f"{SVG}text")]
    assert {"Site ems1", "Feed A", "Feed B", "pod-a", "pod-a/r1", "pod-a/r2"} <= set(texts)
    assert any(text.startswith("ups: 9.8 kW of 60.8 kW") for text in texts)


def test_the_lab_says_simulated(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "gridmill.lab.svg"
    assert main(["power", "lab", "--svg", str(file)]) == 0
    assert "Site lab, simulated" in capsys.readouterr().out
    assert "lab: one-line diagram, simulated" in file.read_text(encoding="utf-8")
    assert main(["power", "lab", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["limits"][0]["element"] == "the budget of pod-a"
    assert told["draw"] == {
        "pue": 1.25,
        "it": {"idle_w": 4_900, "typical_w": 17_950, "allocated_w": 21_600, "nameplate_w": 22_400},
        "meter": {"idle_w": 6_125, "typical_w": 22_437, "allocated_w": 27_000, "nameplate_w": 28_000},
    }


@settings(max_examples=25, deadline=None)
@given(st.floats(1, 1.6), st.integers(200, 700))
def test_one_load_is_one_number_under_every_limit(pue: float, cap: int) -> None:
    data = site(nodes=2, racks=2, pdu="pdu-3x63a", plan="n", caps={"gpu": f"{cap} W"})
    data["grid"] = {"connection": "3x250A", "pue": pue, "contract": {"firm": "60 kW"}}
    data["pods"]["pod-a"]["budget"] = "30 kW"
    definition = build_definition(data, ROOT)
    rows = {row.path: row for row in power_report(definition.site, definition.catalog).limits}
    connection, contract = rows["grid.connection"], rows["grid.contract.firm"]
    assert connection.carries_w == contract.carries_w == power_levels(definition.power).meter.planned_w
    assert all(row.margin_w == row.limit_w - row.carries_w >= 0 for row in rows.values())


@pytest.mark.parametrize(("draw", "limit", "whole"), [(100.2, 100.7, (100, 100)), (100.7, 100.7, (100, 100)),
                                                      (100.9, 100.7, (101, 100)), (99.9999999, 100, (100, 100))])  # fmt: skip
def test_whole_watts_hold_exactly_where_the_limit_does(draw: float, limit: float, whole: tuple[int, int]) -> None:
    row = Limit((), "", NORMAL, limit, Load(draw))
    assert row.whole_w({}) == whole
    assert (whole[0] <= whole[1]) == row.holds({})


def test_without_feeds_there_is_no_chain_to_report() -> None:
    text = (ROOT / "Pulumi.ems1.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)["config"]["gridmill:site"]
    data.pop("power", None)
    definition = build_definition(data, ROOT)
    report = power_report(definition.site, definition.catalog)
    assert report.losses == ()
    assert {row.path for row in report.limits} == {"pods.pod-a.budget", "grid.connection", "grid.contract.firm"}


def test_power_is_worked_out_once_and_anew_for_another_site() -> None:
    definition = load_definition(ROOT / "Pulumi.lab.yaml")
    assert definition.power is definition.power
    power = definition.site.power
    assert power
    other = definition.site.model_copy(update={"power": power.model_copy(update={"caps": "none"})})
    assert definition.power.caps == {"gpu": 650}
    assert replace(definition, site=other).power.caps == {}
