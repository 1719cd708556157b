"""What-ifs: load, caps and redundancy of so many systems on such a connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.catalog import load_catalog
from gridmill.core.units import Connection
from gridmill.operations.cli import main
from gridmill.power.limits import meter_limit_w
from gridmill.power.sizing import Question, size
from gridmill.report.power_tables import size_table
from gridmill.site import site_model
from tests.power.test_power_chain import site


def answer(nodes: int, connection: str | None = None, system: str = "dgx-h100", **more: Any) -> dict[str, Any]:
    known = Connection.parse(connection) if connection else None
    return size(Question(system, nodes, known, **more), load_catalog())


def test_load_of_sixteen_systems() -> None:
    power = answer(16)["power"]
    assert (power["it_kw"], power["grid_kw"], power["limit_kw"]) == (163.2, 204.0, None)
    assert power["idle"] == {"it_kw": 32.0, "grid_kw": 40.0}
    assert (power["fits_uncapped"], power["nodes_that_fit_uncapped"]) == (None, None), "nothing to compare with"


def test_racks_by_cooling_and_height() -> None:
    assert answer(5)["racks"] == {
        "count": 3, "nodes_per_rack": 2, "rack_kw": 20.4, "rack_air_kw": 20.4, "cooling_kw": 25.0, "fits_cooling": True,
    }  # fmt: skip
    assert (answer(1)["racks"]["nodes_per_rack"], answer(1)["racks"]["rack_kw"]) == (1, 10.2)


def test_a_system_that_no_rack_can_cool() -> None:
    racks = answer(16, rack_cooling_w=5000)["racks"]
    assert (racks["count"], racks["nodes_per_rack"], racks["fits_cooling"]) == (16, 1, False)


@pytest.mark.parametrize(("nodes", "racks"), [(1, 1), (18, 1), (19, 2), (36, 2)])
def test_liquid_leaves_a_rack_what_its_vendor_puts_there(nodes: int, racks: int) -> None:
    assert answer(nodes, system="gb200-nvl72-tray")["racks"]["count"] == racks


def test_the_air_of_a_liquid_cooled_rack_can_be_too_little() -> None:
    racks = answer(18, system="gb200-nvl72-tray", rack_cooling_w=4000)["racks"]
    assert (racks["nodes_per_rack"], racks["rack_air_kw"], racks["fits_cooling"]) == (9, 3.6, True)


def test_a_contract_alone_is_a_limit() -> None:
    power = answer(16, contract_w=140_000)["power"]
    assert (power["limit_kw"], power["fits_uncapped"], power["nodes_that_fit_uncapped"]) == (140.0, False, 10)
    assert power["gpu_cap_w"] == 300  # 140 kW / 1.25 / 16 = 7 kW a system; less 4.6 kW, by eight GPUs
    assert answer(16, "3x250A", contract_w=140_000)["power"]["limit_kw"] == 140.0
    assert answer(16, "3x250A", contract_w=180_000)["power"]["limit_kw"] == 164.544


def test_the_limit_is_that_of_a_stack() -> None:
    data = site() | {"grid": {"connection": "3x250A", "pue": 1.25, "contract": {"firm": "160 kW"}}}
    margin = site_model().model_validate(data).power
    assert margin
    question = Question("dgx-h100", 16, Connection.parse("3x250A"), 160_000, design_margin=margin.usable)
    assert question.limit_w == meter_limit_w(site_model().model_validate(data)) == 131_635


def test_the_cap_that_fits_a_connection() -> None:
    power = answer(16, "3x250A")["power"]
    assert not power["fits_uncapped"]
    assert power["nodes_that_fit_uncapped"] == 12
    # 164.544 kW / 1.25 / 16 = 8.227 kW a system; less 4.6 kW, by eight GPUs: 453 W
    assert power["gpu_cap_w"] == 453


def test_no_cap_makes_too_many_fit() -> None:
    power = answer(40, "3x250A")["power"]
    assert power["gpu_cap_w"] is None and power["n1"]["gpu_cap_w"] is None


def test_feeds_decide_what_a_loss_costs() -> None:
    two, three = answer(8)["power"]["n1"], answer(8, feeds=3)["power"]["n1"]
    assert two == {
        "feeds": 2, "known": True, "survives": True, "survives_uncapped": False, "lost": False, "gpu_cap_w": 662, "cost_kw": 2.432,
    }  # fmt: skip
    assert three == {
        "feeds": 3, "known": True, "survives": True, "survives_uncapped": True, "lost": False, "gpu_cap_w": 700, "cost_kw": 0.0,
    }  # fmt: skip
    assert answer(8, feeds=1)["power"]["n1"] == {
        "feeds": 1, "known": True, "survives": False, "survives_uncapped": False, "lost": True, "gpu_cap_w": None, "cost_kw": None,
    }  # fmt: skip


def test_nothing_is_said_of_a_loss_where_no_supplies_are_known() -> None:
    data = size(Question("gb200-nvl72-tray", 18), load_catalog())
    told = {key: value for key, value in data["power"]["n1"].items() if value is not None}
    assert told == {"known": False, "feeds": 2}
    assert "not known, as no power supplies of gb200-nvl72-tray are" in size_table(data)


def test_what_no_cap_makes_fit_survives_nothing() -> None:
    n1 = answer(40, "3x250A", feeds=3)["power"]["n1"]
    assert (n1["survives"], n1["survives_uncapped"], n1["lost"]) == (False, False, False)


@given(st.integers(1, 200), st.integers(50, 2000))
def test_a_cap_fits_and_the_next_watt_does_not(nodes: int, kva: int) -> None:
    power = answer(nodes, f"{kva} kVA")["power"]
    limit = kva * 950 / 1.25
    cap = power["gpu_cap_w"]
    if cap is None:
        assert nodes * (4600 + 8 * 200) > limit
    else:
        assert nodes * (4600 + 8 * cap) <= limit + 1e-6
        assert cap == 700 or nodes * (4600 + 8 * (cap + 1)) > limit


def test_for_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["size", "--system", "dgx-h100", "--nodes", "16", "--connection", "3x250A"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    margin = "connection 131.635 kW (3x250A, power factor 0.95, design margin 0.8): 10 nodes fit uncapped"
    assert margin in text and "power limit that fits: 247 W per GPU" in text
    assert "N-1 with 2 feeds: survives at 247 W per GPU, 0 kW less" in text
    assert main([*arguments, "--json"]) == 0
    power = json.loads(capsys.readouterr().out)["power"]
    assert (power["design_margin"], power["gpu_cap_w"], power["n1"]["survives"]) == (0.8, 247, True)
    assert main([*arguments, "--design-margin", "1", "--contract", "160 kW"]) == 0
    text = capsys.readouterr().out
    assert "connection 164.544 kW (3x250A, power factor 0.95, design margin 1), contract 160 kW: 12 nodes" in text


@pytest.mark.parametrize(
    ("question", "text"),
    [("dgx-h100 --nodes 16 --contract 140kW", "\ncontract 140 kW: 10 nodes fit uncapped\npower limit that fits: 300 W"),
     ("dgx-h100 --nodes 16 --rack-cooling 5", "no rack can cool one of them: 10.2 kW go into the air, 5 kW can be"),
     ("gb200-nvl72-tray --nodes 18", "in 1 rack of 18 (120.006 kW, 7.2 kW of it into the air);")],
)  # fmt: skip
def test_answers(question: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--system", *question.split()]) == 0
    assert text in capsys.readouterr().out


def test_without_a_limit_no_cap_is_said_to_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--system", "dgx-h100", "--nodes", "16"]) == 0
    assert "power limit that fits" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"),
    [("--system", "dgx-h9"), ("--connection", "3x"), ("--connection", ""), ("--pue", "0.5"), ("--pue", "nan"),
     ("--power-factor", "2"), ("--design-margin", "0"), ("--contract", "5"), ("--contract", "")],
)  # fmt: skip
def test_questions_that_make_no_sense(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--system", "dgx-h100", "--nodes", "4", option, value]) == 1
    assert capsys.readouterr().err.startswith(f"1 problem in the question\n{option}: ")


@pytest.mark.parametrize("nodes", ["0", "-1", "1.5", "many", "٣", "100001"])
def test_numbers_of_nodes_that_make_no_sense(nodes: str) -> None:
    with pytest.raises(SystemExit):
        main(["size", "--system", "dgx-h100", f"--nodes={nodes}"])
