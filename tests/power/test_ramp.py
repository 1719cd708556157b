"""Ramps: one machine's step, Slurm's ResumeRate, and a sequence that never exceeds the ramp."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmill.catalog import Catalog, load_catalog
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition
from gridmill.operations.cli import main
from gridmill.plan import plan_site
from gridmill.power.ramp import load_problems
from gridmill.power.sequence import WHAT, Sequence, power_on_sequence
from gridmill.report.growth_tables import sequence_table
from tests.conftest import ROOT
from tests.power.test_contract import site
from tests.power.test_power_chain import problems

PUE = 1.2
DGX_STEP = 12_240
"""W at the meter of one DGX H100 at its nameplate, 10.2 kW."""
IDLE_STEP = math.ceil(load_catalog().nodes["dgx-h100"].power.idle * PUE)


def ramped(ramp: str, nodes: int = 4, **more: Any) -> dict[str, Any]:
    data = site([nodes])
    data["grid"]["ramp"] = ramp
    data["pods"]["pod-a"]["budget"] = "900 kW"
    data["pods"]["pod-a"] |= more
    return data


def definition(data: dict[str, Any]) -> Definition:
    return build_definition(data, ROOT)


def sequence(data: dict[str, Any]) -> Sequence:
    found = power_on_sequence(definition(data).power)
    assert found
    return found


@pytest.mark.parametrize(
    ("ramp", "rate"),
    [("12.239 kW/min", None), ("12.24 kW/min", "1"), ("40 kW/min", "3"), ("1 MW/min", "81")],
)
def test_slurm_switches_on_as_many_nodes_as_the_ramp_takes(ramp: str, rate: str | None) -> None:
    assert plan_site(definition(ramped(ramp))).of(SlurmPlan).settings.get("ResumeRate") == rate


def test_without_a_ramp_slurm_keeps_its_own_rate() -> None:
    assert "ResumeRate" not in plan_site(definition(site([2]))).of(SlurmPlan).settings
    assert power_on_sequence(definition(site([2])).power) is None


def test_the_largest_node_that_stands_and_runs_jobs_decides() -> None:
    data = ramped("30 kW/min")
    data["pods"]["pod-a"]["nodes"]["cpu"] = {"sku": "srv-mgmt", "services": ["compute"], "at": ["r1/u44"]}
    assert plan_site(definition(data)).of(SlurmPlan).settings["ResumeRate"] == "2"
    coming = {"from": "2027-04-01", "index": 2, "budget": "15 kW"}
    data["pods"]["pod-b"] = copy.deepcopy(data["pods"]["pod-a"]) | coming
    data["pods"]["pod-b"]["nodes"] = {"gpu": {"sku": "dgx-b200", "at": ["r1/u1"]}}
    data["software"]["nvidia"] |= {"driver": "595.71.05"}
    assert plan_site(definition(data)).of(SlurmPlan).settings["ResumeRate"] == "2"


def test_a_cap_makes_the_step_smaller() -> None:
    data = ramped("40 kW/min")
    data["power"] = {"feeds": {"A": {}}, "caps": {"gpu": "450 W"}}  # 8.2 kW, 9.84 kW at the meter
    assert plan_site(definition(data)).of(SlurmPlan).settings["ResumeRate"] == "4"


def test_what_others_need_comes_first_and_jobs_come_last() -> None:
    data = ramped("30 kW/min", 5, equipment={"leaf": {"sku": "qm9700", "at": ["r1/u46"]}})
    data["pods"]["pod-a"]["nodes"] |= {
        "store": {"sku": "srv-nvme", "at": ["r2/u40"]},
        "login": {"sku": "srv-mgmt", "services": ["login"], "at": ["r3/u40"]},
    }
    data["pods"]["pod-a"]["maintenance"] = {"r1/u9": "away"}
    found = sequence(data)
    assert [minute.what for minute in found.minutes] == [*WHAT[:4], "compute", "compute"]
    assert found.minutes[0].machines == ("leaf pod-a/r1/u46",)
    assert [minute.machines for minute in found.minutes[4:]] == [
        ("pod-a-r1-u01", "pod-a-r1-u17"),
        ("pod-a-r1-u25", "pod-a-r2-u01"),
    ]
    assert found.minutes[-1].step_w == 2 * DGX_STEP
    assert found.minutes[-1].total_w == sum(minute.step_w for minute in found.minutes)
    assert found.resume_rate == 2


def test_where_a_job_alone_breaks_the_ramp_machines_are_counted_without_work() -> None:
    found = sequence(ramped("10 kW/min"))
    assert found.resume_rate is None
    assert all(minute.step_w <= 10_000 for minute in found.minutes)
    assert "at full power is 12.24 kW at the meter, over the ramp" in found.notes[0]
    assert f"counted without work, {kilowatts(IDLE_STEP)}" in found.notes[0]
    assert "ResumeRate 0 means no limit" in found.notes[-2]
    assert "Slurm's ResumeRate:" not in sequence_table("x", found)


def test_a_job_that_breaks_the_ramp_is_advised_against() -> None:
    rise = DGX_STEP - IDLE_STEP
    assert load_problems(*_site(f"{rise} W/min")) == []
    (problem,) = load_problems(*_site(f"{rise - 1} W/min"))
    assert problem.message.startswith(
        f"a job that starts on one dgx-h100 (gpu of pod-a) adds up to {kilowatts(rise)} at"
    )
    assert (problem.expected, problem.hint) == (
        f"at least {kilowatts(rise)}/min",
        "a cap of 699 W per GPU (power.caps)",
    )
    assert sequence(ramped(f"{rise - 1} W/min")).notes[1].endswith("a cap of 699 W per GPU (power.caps)")
    assert load_problems(*_site("2.6 kW/min"))[0].hint == "a battery that takes the step"


def _site(ramp: str) -> tuple[Site, Catalog]:
    found = definition(ramped(ramp))
    return found.site, found.catalog


def test_a_ramp_that_one_node_breaks_is_a_problem() -> None:
    (problem,) = [problem for problem in problems(ramped("2 kW/min")) if problem.path == ("grid", "ramp")]
    assert problem.message.startswith("one dgx-h100 (gpu of pod-a) is ")
    assert problem.expected.endswith("kW/min") and problem.hint


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12),
    st.integers(3_000, 200_000),
    st.sampled_from(["none", "200 W", "431 W"]),
    st.integers(0, 3),
)
def test_no_sixty_seconds_exceed_the_ramp(nodes: int, ramp: int, cap: str, switches: int) -> None:
    leaf = {"leaf": {"sku": "qm9700", "at": [f"r3/u{42 + n}" for n in range(switches)]}} if switches else {}
    data = ramped(f"{ramp} W/min", nodes, equipment=leaf)
    if cap != "none":
        data["power"] = {"feeds": {"A": {}}, "caps": {"gpu": cap}}
    found = sequence(data)
    # switched on at the beginning of its minute: any sixty seconds hold one beginning
    assert all(minute.step_w <= ramp for minute in found.minutes)
    assert [minute.minute for minute in found.minutes] == list(range(len(found.minutes)))
    names = [name for minute in found.minutes for name in minute.machines]
    assert len(names) == len(set(names)) == nodes + 1 + switches
    order = [WHAT.index(minute.what) for minute in found.minutes]
    assert order == sorted(order)
    if found.resume_rate:
        power = 10_200 if cap == "none" else 4_600 + 8 * int(cap.split(maxsplit=1)[0])
        assert found.resume_rate * power * PUE <= ramp < (found.resume_rate + 1) * (power * PUE + 1)


def test_the_command_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "del1", "--sequence"]) == 0
    text = capsys.readouterr().out
    assert "Power on del1, at most 40 kW a minute at the meter" in text
    assert "Slurm's ResumeRate: 3 nodes a minute" in text
    assert main(["power", "del1", "--sequence", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["ramp_w_per_minute"] == 40_000
    assert max(minute["step_w"] for minute in data["minutes"]) <= 40_000
    assert main(["power", "lab", "--sequence"]) == 1
    assert "grid.ramp: without a ramp there is no pace" in capsys.readouterr().err


def test_growth_of_the_sample(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["growth", "del1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [stage["date"] for stage in data["stages"]] == [None, "2027-04-01", "2027-11-01"]
    assert data["unused"] == []
    assert main(["growth", "del1"]) == 0
    assert "highest load at the meter, by calendar year" in capsys.readouterr().out
    assert main(["power", "del1", "--at", "2027-04-01", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["limits"]
    assert {row["element"]: row["limit_w"] for row in rows}["the contracted power"] == 300_000
    with pytest.raises(SystemExit):
        main(["power", "del1", "--at", "2027"])
