"""What-ifs: load, caps and redundancy of so many systems on such a connection."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.catalog import load_catalog
from gridmill.model.grid import Grid
from gridmill.plan.sizing import Question, size
from operations.cli import main


def answer(nodes: int, connection: str | None = None, *, feeds: int = 2, pue: float = 1.25) -> dict[str, Any]:
    grid = Grid.model_validate({"connection": connection, "pue": pue}) if connection else None
    return size(Question("dgx-h100", nodes, grid, pue, feeds), load_catalog())


def test_load_of_sixteen_systems() -> None:
    power = answer(16)["power"]
    assert (power["it_kw"], power["grid_kw"], power["limit_kw"]) == (163.2, 204.0, None)
    assert power["idle"] == {"it_kw": 32.0, "grid_kw": 40.0}


def test_racks_by_cooling_and_height() -> None:
    assert answer(5)["racks"] == {"count": 3, "nodes_per_rack": 2, "rack_kw": 20.4}


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
    assert two == {"feeds": 2, "survives": False, "lost": False, "gpu_cap_w": 662, "cost_kw": 2.432}
    assert three == {"feeds": 3, "survives": True, "lost": False, "gpu_cap_w": 700, "cost_kw": 0.0}
    assert answer(8, feeds=1)["power"]["n1"] == {
        "feeds": 1, "survives": False, "lost": True, "gpu_cap_w": None, "cost_kw": None,
    }  # fmt: skip


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
    assert "connection: 164.544 kW: 12 nodes fit uncapped" in text
    assert "power limit that fits: 453 W per GPU" in text
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["power"]["gpu_cap_w"] == 453


@pytest.mark.parametrize(
    ("extra", "path"),
    [(["--system", "dgx-h9"], "system"), (["--connection", "3x"], "connection"), (["--pue", "0.5"], "pue"),
     (["--pue", "nan"], "pue"), (["--power-factor", "2"], "powerFactor"), (["--contract", "5"], "contract.firm")],
)  # fmt: skip
def test_questions_that_make_no_sense(extra: list[str], path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["size", "--system", "dgx-h100", "--nodes", "4", *extra]) == 1
    assert f"\n{path}: " in capsys.readouterr().err


@pytest.mark.parametrize("nodes", ["0", "-1", "1.5", "many", "٣", "100001"])
def test_numbers_of_nodes_that_make_no_sense(nodes: str) -> None:
    with pytest.raises(SystemExit):
        main(["size", "--system", "dgx-h100", f"--nodes={nodes}"])
