"""Feeds, PDUs, phases, supplies and caps, against an independent replay."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gridmill.catalog import load_catalog
from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.power.caps import broken, caps_by_priority, highest_uniform_cap
from gridmill.power.consumers import consumers
from gridmill.power.limits import limits
from gridmill.site import site_model
from tests.conftest import ROOT
from tests.power.simulation import Loss, losses, replay

BASE: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.ems1.yaml").read_text(encoding="utf-8"))["config"][
    "gridmill:site"
]
del BASE["storage"], BASE["software"]["nvidia"]["cuda"]  # tests here leave out the nodes that they need
SLOTS = ["u1", "u9", "u17", "u25"]


def site(
    nodes: int = 4,
    pdu: str = "pdu-3x32a",
    racks: int = 2,
    *,
    plan: str = "n-1",
    caps: Any = "none",
    ups: str = "",
    switches: int = 0,
) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    data["grid"] = {"connection": "2 MVA", "pue": 1.2}
    feed = {"ups": {"modules": int(ups.split("x", maxsplit=1)[0]), "module": f"{ups.split('x')[1]} kVA"}} if ups else {}
    data["power"] = {"feeds": {"A": dict(feed), "B": dict(feed)}, "plan": plan, "caps": caps}
    keys = [f"r{number}" for number in range(1, racks + 1)]
    places = [f"{rack}/{slot}" for slot in SLOTS for rack in keys]
    data["pods"] = {
        "pod-a": {
            "budget": "900000 W",
            "racks": {key: {"pdus": {"A": pdu, "B": pdu}} for key in keys},
            "nodes": {
                "control": {"sku": "srv-mgmt", "at": ["r1/u40"]},
                "gpu": {"sku": "dgx-h100", "at": places[:nodes]},
            },
        }
    }
    if switches:
        data["pods"]["pod-a"]["equipment"] = {
            "leaf": {"sku": "qm9700", "at": [f"r1/u{42 + n}" for n in range(switches)]}
        }
    return data


def best_cap(data: dict[str, Any]) -> int | None:
    typed, catalog = site_model().model_validate(data), load_catalog()
    machines = consumers(typed, catalog)
    return highest_uniform_cap(list(limits(typed, catalog, machines)), machines)


def found_problems(data: dict[str, Any]) -> dict[str, str]:
    return {path_text(problem.path): f"{problem.message} | {problem.hint}" for problem in problems(data)}


def problems(data: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    return caught.value.problems


SITES = st.builds(
    site,
    nodes=st.integers(1, 8),
    pdu=st.sampled_from(["pdu-3x16a", "pdu-3x32a", "pdu-3x63a"]),
    racks=st.integers(1, 3),
    ups=st.sampled_from(["", "2x40", "3x25", "4x60"]),
    switches=st.integers(0, 3),
).filter(lambda data: len(data["pods"]["pod-a"]["nodes"]["gpu"]["at"]) > 0)


@settings(max_examples=60, deadline=None)
@given(SITES)
def test_a_cap_of_the_plan_survives_every_single_loss_and_the_next_watt_does_not(data: dict[str, Any]) -> None:
    cap = best_cap(data)
    if cap is None:
        assert any(replay(data, 200, loss).broken for loss in losses(data))
        return
    for loss in losses(data):
        result = replay(data, cap, loss)
        assert not result.broken, (loss, result.broken)
        assert not result.off, loss
    if cap < 700:
        assert any(replay(data, cap + 1, loss).broken for loss in losses(data))


@settings(max_examples=40, deadline=None)
@given(SITES, st.integers(200, 700))
def test_more_load_never_raises_a_margin(data: dict[str, Any], cap: int) -> None:
    def margins(nodes: list[str]) -> dict[tuple[str, str], float]:
        changed = copy.deepcopy(data)
        changed["pods"]["pod-a"]["nodes"]["gpu"]["at"] = nodes
        typed, catalog = site_model().model_validate(changed), load_catalog()
        rows = limits(typed, catalog, consumers(typed, catalog))
        found: dict[tuple[str, str], float] = {}
        for row in rows:
            key = (row.element, row.situation)
            found[key] = min(found.get(key, float("inf")), row.margin_w({"gpu": cap}))
        return found

    nodes = data["pods"]["pod-a"]["nodes"]["gpu"]["at"]
    fewer, all_ = margins(nodes[:-1] or nodes), margins(nodes)
    assert all(all_[key] <= margin + 1e-6 for key, margin in fewer.items() if key in all_)


def test_what_a_dgx_needs_after_the_loss_of_a_feed() -> None:
    # three supplies of 3.3 kW are left for 4.6 kW and eight GPUs: (9900 - 4600) / 8 = 662.5 W
    assert best_cap(site(nodes=1, pdu="pdu-3x63a", racks=1)) == 662


def test_caps_of_the_plan_lower_what_is_allocated() -> None:
    plan = plan_site(build_definition(site(nodes=1, pdu="pdu-3x63a", racks=1, caps="auto"), ROOT))
    assert plan.power.nameplate_w - plan.power.allocated_w == 8 * (700 - 662)


@pytest.mark.parametrize(
    ("data", "path", "text"),
    [
        (site(nodes=8, pdu="pdu-3x16a", racks=1, caps="auto"), "pods.pod-a.racks.r1.pdus.A",
         "even at the GPUs' lowest power limits"),
        (site(nodes=4, racks=2), "pods.pod-a.racks.r1.pdus.A", "needs 7.6 kW with feed B lost; limit: 5.616 kW, phase L2 of the PDU of feed A in pod-a/r1"),
        (site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpu": "699 W"}), "pods.pod-a.nodes.gpu.sku",
         "with feed A lost; limit: 9.9 kW, the power supplies of gpu (dgx-h100)"),
        (site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpu": "701 W"}), "power.caps.gpu", "701 W is not a power limit"),
        (site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpus": "600 W"}), "power.caps.gpus", "did you mean gpu?"),
        (site(nodes=1, racks=1, pdu="pdu-3x64a"), "pods.pod-a.racks.r1.pdus.A", "did you mean pdu-3x63a?"),
        (site(nodes=8, racks=2, plan="n", ups="1x40"), "power.feeds.A.ups", ", the UPS of feed A"),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_named(data: dict[str, Any], path: str, text: str) -> None:
    found = found_problems(data)
    assert text in found[path], found


@pytest.mark.parametrize(
    ("key", "value", "path", "message"),
    [
        ("feeds", {}, "power.feeds", "a mapping"),
        ("feeds", {"G": {}}, "power.feeds.G", "as a key, `G` is not valid"),
        ("feeds", {"A": {"ups": {"modules": 0, "module": "50 kVA"}}}, "power.feeds.A.ups.modules", "`0` is not valid"),
        (
            "feeds",
            {"A": {"ups": {"modules": 2, "module": "50 kW"}}},
            "power.feeds.A.ups.module",
            "50 kW is not a quantity",
        ),
        ("feeds", {"A": {"ups": {"modules": 2, "module": 50}}}, "power.feeds.A.ups.module", "write the unit: 50 kVA"),
        ("feeds", {"A": {"breaker": "3x16"}}, "power.feeds.A.breaker", "3x16 is not a quantity"),
        ("feeds", {"A": {"upss": {}}}, "power.feeds.A.upss", "did you mean `ups`?"),
        ("practice", "vde", "power.practice", "`vde` is not valid"),
        ("designMargin", 0, "power.designMargin", "`0` is not valid"),
        ("designMargin", 1.1, "power.designMargin", "`1.1` is not valid"),
        ("designMargin", float("nan"), "power.designMargin", "`nan` is not valid"),
        ("plan", "n+1", "power.plan", "`n+1` is not valid"),
        ("caps", {"gpu": 500}, "power.caps.gpu", "500 is not a quantity"),
        (
            "caps",
            {"gpu": "auto"},
            "power.caps.gpu",
            "auto is for all groups together, no power limit of one\n    expected: a power such as 650 W\n    fix: caps: auto",
        ),
        ("caps", {"gpu": "none"}, "power.caps.gpu", "caps: none"),
        ("caps", {"gpu": "199 W"}, "power.caps.gpu", "200 W to 700 W, the range that the driver accepts"),
        ("caps", {"control": "500 W"}, "power.caps.control", "no group control has GPUs"),
        ("cap", "auto", "power.cap", "did you mean `caps`?"),
    ],
)
def test_bad_power_is_named(key: str, value: Any, path: str, message: str) -> None:
    data = site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpu": "600 W"})
    data["power"][key] = value
    found = {problem.path: str(problem) for problem in problems(data)}
    texts = {path_text(place): text for place, text in found.items()}
    assert message in texts[path], texts


@pytest.mark.parametrize(
    ("edit", "path", "message"),
    [
        ({"racks": {"r1": {"pdus": {"C": "pdu-3x63a"}}}}, "pods.pod-a.racks.r1.pdus.C", "unknown feed C"),
        ({"racks": {"r1": {"pdus": {"A": "PDU"}}}}, "pods.pod-a.racks.r1.pdus.A", "`PDU` is not valid"),
        ({"racks": {"r1": {"cooling": "25"}}}, "pods.pod-a.racks.r1.cooling", "25 is not a quantity"),
        ({"racks": {"r1": {"cooling": "0 kW"}}}, "pods.pod-a.racks.r1.cooling", "0 kW is not a quantity"),
        ({"cooling": {"units": 0, "unit": "40 kW"}}, "pods.pod-a.cooling.units", "`0` is not valid"),
        ({"cooling": {"units": 2}}, "pods.pod-a.cooling.unit", "missing"),
        ({"cooling": "40 kW"}, "pods.pod-a.cooling", "`40 kW` is not valid"),
    ],
)
def test_bad_racks_and_cooling_are_named(edit: dict[str, Any], path: str, message: str) -> None:
    data = site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpu": "600 W"})
    data["pods"]["pod-a"] |= edit
    texts = {path_text(problem.path): str(problem) for problem in problems(data)}
    assert message in texts[path], texts


def test_a_rack_on_one_feed_is_lost_with_it() -> None:
    data = site(nodes=1, racks=1, pdu="pdu-3x63a", caps="auto")
    del data["pods"]["pod-a"]["racks"]["r1"]["pdus"]["B"]
    found = found_problems(data)
    assert "with feed A lost, 1 of gpu are off (r1/u1): 0 supplies are left" in found["pods.pod-a.nodes.gpu"]


def test_a_rack_without_pdus_is_no_rack_that_survives() -> None:
    data = site(nodes=4, racks=2, pdu="pdu-3x63a", caps={"gpu": "600 W"})
    data["pods"]["pod-a"]["racks"]["r2"] = {}
    assert "r2 has nodes and no PDUs" in found_problems(data)["pods.pod-a.racks.r2"]
    data["power"]["plan"] = "n"
    build_definition(data, ROOT)


def test_a_contract_above_the_connection_is_refused() -> None:
    data = site(nodes=1, racks=1, pdu="pdu-3x63a", caps={"gpu": "600 W"})
    data["grid"] = {"connection": "3x160A", "contract": {"firm": "200 kW"}}
    assert "200 kW is more than the connection carries" in found_problems(data)["grid.contract.firm"]


def test_cooling_counts_all_heat_and_one_unit_less() -> None:
    data = site(nodes=2, racks=1, pdu="pdu-3x63a", plan="n")
    data["pods"]["pod-a"]["racks"]["r1"]["cooling"] = "20 kW"
    data["pods"]["pod-a"]["cooling"] = {"units": 2, "unit": "20 kW"}
    assert list(found_problems(data)) == ["pods.pod-a.racks.r1.cooling"]
    data["power"]["plan"] = "n-1"
    assert "with one unit lost" in found_problems(data)["pods.pod-a.cooling"]


def test_nec_uses_eighty_percent_and_no_margin_on_top() -> None:
    data = site(nodes=1, racks=1)
    typed = site_model().model_validate(data)
    assert typed.power and typed.power.usable == pytest.approx(0.8)
    data["power"] |= {"practice": "nec"}
    assert site_model().model_validate(data).power.usable == pytest.approx(0.8)  # type: ignore[union-attr]
    data["power"] |= {"designMargin": 0.9}
    assert site_model().model_validate(data).power.usable == pytest.approx(0.72)  # type: ignore[union-attr]


def test_the_first_in_order_gets_what_can_be_had() -> None:
    data = site(nodes=2, pdu="pdu-3x63a", racks=1, plan="n")
    group = data["pods"]["pod-a"]["nodes"]
    group["batch"] = {"sku": "dgx-h100", "at": [group["gpu"]["at"].pop()]}
    data["pods"]["pod-a"]["budget"] = "20 kW"  # 0.8 + 2 x 4.6 leaves 10 kW for sixteen GPUs
    typed, catalog = site_model().model_validate(data), load_catalog()
    machines = consumers(typed, catalog)
    rows = list(limits(typed, catalog, machines))
    assert caps_by_priority(rows, machines, ["gpu", "batch"]) == {"gpu": 700, "batch": 550}
    assert caps_by_priority(rows, machines, ["batch", "gpu"]) == {"gpu": 550, "batch": 700}
    assert highest_uniform_cap(rows, machines) == 625
    assert broken(rows, {"gpu": 625, "batch": 626})
    data["pods"]["pod-a"]["budget"] = "13 kW"
    typed = site_model().model_validate(data)
    assert caps_by_priority(list(limits(typed, catalog, machines)), machines, ["gpu", "batch"]) is None


def test_the_replay_itself_breaks() -> None:
    data = site(nodes=1, racks=1, pdu="pdu-3x63a")
    assert replay(data, 663, Loss(feed="A")).broken == {"supplies of r1/u1": pytest.approx(4)}
    assert not replay(data, 662, Loss(feed="A")).broken
