"""Growth: every date holds its limits, the load of each year, and contracted power that may be taken back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridmill.catalog import load_catalog
from gridmill.core.errors import ProblemsError, path_text
from gridmill.kernel.definition import Definition, definition_at
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.power.contract import unused_power, unused_problems
from gridmill.power.growth import GrowthReport, growth_report
from gridmill.power.report import power_report
from gridmill.power.stages import stages
from gridmill.site import site_model
from tests.conftest import ROOT
from tests.power.test_power_chain import problems
from tests.power.test_power_chain import site as one_pod

PUE = 1.2
DGX_W, CONTROL_W = 10_200, 800
DATES = ["2027-04-01", "2027-11-01", "2028-06-01", "2029-01-01"]


def site(nodes: list[int], contract: dict[str, Any] | None = None, dates: list[str] | None = None) -> dict[str, Any]:
    """A pod that stands and others that come on dates, with so many DGX H100 each; no limit but those of the grid."""
    data = one_pod(nodes=1, racks=1, plan="n")
    del data["power"]
    first = data["pods"]["pod-a"]
    first["racks"] = {"r1": {}, "r2": {}, "r3": {}}
    slots = [f"r{rack}/u{unit}" for rack in (1, 2, 3) for unit in (1, 9, 17, 25)]
    first["budget"] = f"{nodes[0] * DGX_W + CONTROL_W} W"
    first["nodes"]["gpu"]["at"] = slots[: nodes[0]]
    for number, (count, date) in enumerate(zip(nodes[1:], dates or DATES, strict=False), 2):
        pod = copy.deepcopy(first)
        del pod["nodes"]["control"]
        pod |= {"from": date, "budget": f"{count * DGX_W} W", "index": number}
        pod["nodes"]["gpu"]["at"] = slots[:count]
        data["pods"][f"pod-{'abcdef'[number - 1]}"] = pod
    data["grid"] = {"connection": "2 MVA", "pue": PUE, **({"contract": contract} if contract else {})}
    return data


def definition(*arguments: Any) -> Definition:
    return build_definition(site(*arguments), ROOT)


def report(*arguments: Any, year: int = 2026) -> GrowthReport:
    found = definition(*arguments)
    return growth_report(found.site, found.catalog, year)


def meter(nodes: int) -> int:
    return int((nodes * DGX_W + CONTROL_W) * PUE)


def test_a_site_without_dates_has_one_stage() -> None:
    found = report([2])
    (stage,) = found.stages
    assert (stage.date, stage.coming, stage.nodes, stage.gpus) == (None, ("pod-a",), 3, 16)
    assert (stage.it_nameplate_w, stage.meter_nameplate_w) == (21_200, 25_440)
    assert [(year.year, year.nameplate_w) for year in found.years] == [(2026, 25_440), (2027, 25_440)]
    assert found.unused == ()


def test_every_date_adds_its_pod_and_its_contract() -> None:
    found = report([2, 4, 4], {"firm": "40 kW", "later": {"2027-01-01": "100 kW", "2027-11-01": "200 kW"}})
    assert [(stage.date, stage.coming, stage.meter_nameplate_w, stage.contract_w) for stage in found.stages] == [
        (None, ("pod-a",), meter(2), 40_000),
        ("2027-01-01", (), meter(2), 100_000),
        ("2027-04-01", ("pod-b",), meter(6), 100_000),
        ("2027-11-01", ("pod-c",), meter(10), 200_000),
    ]
    assert [round(stage.share, 3) for stage in found.stages] == [0.636, 0.254, 0.744, 0.617]
    assert [(year.year, year.nameplate_w, year.contract_w) for year in found.years] == [
        (2026, meter(2), 40_000),
        (2027, meter(10), 200_000),
        (2028, meter(10), 200_000),
    ]


def test_a_year_knows_the_contract_that_it_began_with() -> None:
    found = report([2, 1], {"firm": "90 kW", "later": {"2028-03-01": "60 kW"}})
    assert [(year.year, year.contract_w) for year in found.years] == [
        (2026, 90_000), (2027, 90_000), (2028, 90_000), (2029, 60_000)
    ]  # fmt: skip


def test_what_was_planned_for_years_gone_by_still_counts() -> None:
    assert [year.year for year in report([1, 1], None, ["2024-04-01"], year=2026).years] == [2026]


@pytest.mark.parametrize(
    ("contract", "path", "text"),
    [
        ({"firm": "80 kW"}, "grid.contract.firm", "the pods' budgets, 62 kW of IT load, need 74.4 kW"),
        ({"firm": "30 kW", "later": {"2027-11-01": "100 kW"}}, "grid.contract.firm",
         "by 2027-04-01, the pods' budgets, 62 kW of IT load, need 74.4 kW at the meter (PUE 1.2); limit: 30 kW"),
        ({"firm": "80 kW", "later": {"2027-04-01": "20 kW"}}, "grid.contract.later.2027-04-01",
         "needs 74.4 kW; limit: 20 kW, the power contracted from 2027-04-01 on"),
    ],
)  # fmt: skip
def test_a_date_that_does_not_hold_is_named(contract: dict[str, Any], path: str, text: str) -> None:
    data = site([2, 4], contract)
    if contract == {"firm": "80 kW"}:
        data["grid"]["contract"]["firm"] = "70 kW"
    if "20 kW" in str(contract):
        data["power"] = {"feeds": {"A": {}}}  # so that the limits speak, and not only the budgets
    found = [f"{path_text(problem.path)}: {problem.message}" for problem in problems(data)]
    assert any(line.startswith(path) and text in line for line in found), found


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=4),
    st.integers(10, 300),
    st.dictionaries(st.sampled_from(["2026-12-01", *DATES, "2030-01-01"]), st.integers(10, 300), max_size=4),
    st.booleans(),
)
@example([1, 8], 14, {"2027-04-01": 112}, True)
@example([1, 8], 14, {"2027-04-02": 112}, True)
@example([8, 1], 112, {"2027-04-01": 113, "2027-11-01": 90}, True)
def test_no_accepted_plan_is_over_a_limit_at_any_date(
    nodes: list[int], firm: int, later: dict[str, int], described: bool
) -> None:
    data = site(nodes, {"firm": f"{firm} kW", "later": {date: f"{watts} kW" for date, watts in later.items()}})
    if described:
        data["power"] = {"feeds": {"A": {}}}
    dates = sorted({"2026-01-01", *later, *DATES[: len(nodes) - 1]})

    def holds(date: str) -> bool:
        """The plain arithmetic of a date, from the numbers above alone."""
        count = nodes[0] + sum(n for n, day in zip(nodes[1:], DATES, strict=False) if day <= date)
        begun = [day for day in later if day <= date]
        return meter(count) <= 1000 * (later[max(begun)] if begun else firm)

    try:
        accepted = build_definition(data, ROOT)
    except ProblemsError:
        assert not all(holds(date) for date in dates)
        return
    assert all(holds(date) for date in dates)
    for date in dates:
        then = definition_at(accepted, date)
        assert all(row.margin_w >= 0 for row in power_report(then.site, then.catalog).limits)
        assert plan_site(then).future == ()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=2, max_size=4), st.integers(0, 3))
def test_another_node_never_leaves_more_at_any_date(nodes: list[int], where: int) -> None:
    more = list(nodes)
    more[where % len(nodes)] += 1
    for before, after in zip(report(nodes).stages, report(more).stages, strict=True):
        assert after.limit_w - after.meter_allocated_w <= before.limit_w - before.meter_allocated_w


def test_a_date_is_planned_under_the_caps_of_the_whole_plan() -> None:
    data = site([2, 4])
    for pod in data["pods"].values():
        pod["budget"] = "500 kW"
    data["power"] = {"feeds": {"A": {}}, "caps": "auto"}
    data["grid"] |= {"contract": {"firm": "65 kW"}}
    for key, pod in data["pods"].items():
        pod["budget"] = "21.2 kW" if key == "pod-a" else "32.9 kW"
    accepted = build_definition(data, ROOT)
    then = definition_at(accepted, "2026-12-31")
    caps = power_report(accepted.site, accepted.catalog).gpu_caps_w
    assert caps and caps["gpu"] < 700
    assert power_report(then.site, then.catalog).gpu_caps_w == caps
    assert [pod.key for pod in plan_site(then).pods] == ["pod-a"]
    assert [pod.key for pod in plan_site(definition_at(accepted, "2027-04-01")).pods] == ["pod-a", "pod-b"]


def unused(nodes: list[int], contract: dict[str, Any], dates: list[str] | None = None) -> list[dict[str, Any]]:
    typed, catalog = site_model().model_validate(site(nodes, contract, dates)), load_catalog()
    return [
        {
            "from": item.at_risk_from,
            "unused": item.unused_w,
            "pods": [pod.pod for pod in item.pods],
            "enough": item.enough,
        }
        for item in unused_power(typed, catalog)
    ]


def typical(nodes: int) -> int:
    return int(CONTROL_TYPICAL_W * PUE) + int(nodes * TYPICAL_W * PUE)


CONTROL_TYPICAL_W = load_catalog().nodes["srv-mgmt"].power.typical
TYPICAL_W = load_catalog().nodes["dgx-h100"].power.typical


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        ({"firm": "300 kW"}, []),
        ({"firm": "300 kW", "since": "2026-06-01"}, []),
        ({"firm": "30 kW", "since": "2026-06-01", "congested": True}, []),
        ({"firm": "100 kW", "since": "2026-06-01", "congested": True},
         [{"from": "2027-06-01", "used": 2 + 2, "firm": 100, "pods": ["pod-c"], "enough": True}]),
        ({"firm": "100 kW", "since": "2026-12-01", "congested": True}, []),
        ({"firm": "900 kW", "since": "2026-03-31", "congested": True},
         [{"from": "2027-03-31", "used": 2, "firm": 900, "pods": ["pod-b", "pod-c"], "enough": False}]),
        ({"firm": "30 kW", "since": "2026-06-01", "congested": True, "later": {"2027-01-01": "400 kW"}},
         [{"from": "2028-01-01", "used": 2 + 2 + 4, "firm": 400, "pods": [], "enough": False}]),
        ({"firm": "100 kW", "since": "2026-12-01", "congested": True, "later": {"2027-12-01": "90 kW"}}, []),
    ],
)  # fmt: skip
def test_what_may_be_taken_back(contract: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    wanted = [
        {
            "from": item["from"],
            "unused": item["firm"] * 1000 - typical(item["used"]),
            "pods": item["pods"],
            "enough": item["enough"],
        }
        for item in expected
    ]
    found = unused([2, 2, 4], contract)
    assert [{**item, "unused": pytest.approx(item["unused"], abs=3)} for item in found] == wanted


def test_a_megawatt_unused_is_at_risk_whatever_the_share() -> None:
    contract = {"firm": "1.5 MW", "since": "2026-06-01", "congested": True}
    data = site([8], contract)
    typed, catalog = site_model().model_validate(data), load_catalog()
    (problem,) = unused_problems(typed, catalog)
    assert "no more than 50% is used in twelve months" in problem.message
    # 116 nodes draw over half, and leave more than a megawatt
    data["grid"]["contract"]["firm"] = "2.2 MW"
    for number in range(2, 11):
        pod = copy.deepcopy(data["pods"]["pod-a"])
        pod["nodes"] = {"gpu": {**pod["nodes"]["gpu"], "at": [f"r{r}/u{u}" for r in (1, 2, 3) for u in (1, 9, 17, 25)]}}
        data["pods"][f"pod-{number}"] = {**pod, "index": number}
    found = unused_power(site_model().model_validate(data), catalog)
    assert found[0].share > 0.5
    assert found[0].why == "1000 kW or more is unused in twelve months"
    data["grid"]["contract"]["voltage"] = "high"
    assert unused_power(site_model().model_validate(data), catalog) == []


def test_the_notice_says_which_pod_would_avoid_it() -> None:
    data = site([2, 2, 4], {"firm": "100 kW", "since": "2026-06-01", "congested": True})
    (problem,) = unused_problems(site_model().model_validate(data), load_catalog())
    assert path_text(problem.path) == "grid.contract.firm"
    assert "may be taken back from then on (Netcode 7.13)" in problem.message
    assert problem.hint == "pod-c (2027-11-01) before 2027-06-01"


def test_stages_without_a_contract() -> None:
    assert [stage.contract_w for stage in stages(site_model().model_validate(site([1, 1])))] == [None, None]
