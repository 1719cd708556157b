"""Racks with a bus bar: power shelves feed it from the feeds' PDUs, and must carry what hangs on it; liquid cooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridmill.catalog.consistency import entry_problems
from gridmill.catalog.schema import Equipment, Node
from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition
from gridmill.power.report import LimitReport, PowerReport, power_report
from tests.conftest import ROOT
from tests.power.test_equipment import site

TAP = """\
id: tap-3x300a
model: Tap-off unit, 3 x 300 A
phases: 3
current: 300
sources: [{of: all, from: a test, confidence: unverified}]
"""
TRAYS_W, SWITCHES_W, LOSSES_W = 18 * 6_667, 9 * 1_400, 8 * 400
SHELF_W = 33_000
SHELVES = (1, 2, 3, 4, 43, 44, 45, 46)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The sample site's directory with a PDU that carries an NVL72 rack."""
    beside = tmp_path / "inventories" / "ems1"
    (beside / "skus" / "pdus").mkdir(parents=True)
    (beside / "skus" / "pdus" / "tap-3x300a.yaml").write_text(TAP, encoding="utf-8")
    (beside / "keys").symlink_to(ROOT / "inventories" / "ems1" / "keys")
    return tmp_path


def rack(shelves: tuple[int, ...] = SHELVES, caps: Any = "auto", **of_rack: Any) -> dict[str, Any]:
    """An NVL72 rack and the controller in another, under N-1."""
    data = site(
        {
            "nvlink": {"sku": "gb200-nvl72-switch", "at": [f"r2/u{unit}" for unit in range(19, 28)]},
            "shelf": {"sku": "nvl72-power-shelf", "at": [f"r2/u{unit}" for unit in shelves]},
        },
        budget="150 kW",
    )
    data["grid"] = {"connection": "400 kVA", "pue": 1.2}
    data["power"] = {"feeds": {"A": {}, "B": {}}, "plan": "n-1", "caps": caps}
    pod = data["pods"]["pod-a"]
    pod["racks"]["r1"] = {"pdus": {"A": "pdu-3x16a", "B": "pdu-3x16a"}}
    pod["racks"]["r2"] = {"pdus": {"A": "tap-3x300a", "B": "tap-3x300a"}, "liquid": True, **of_rack}
    trays = [f"r2/u{unit}" for unit in (*range(9, 19), *range(28, 36))]
    pod["nodes"]["gpu"] = {"sku": "gb200-nvl72-tray", "at": trays}
    data["software"]["nvidia"]["cuda"]["versions"] = ["13.2"]
    return data


def built(data: dict[str, Any], root: Path) -> Definition:
    return build_definition(data, root)


def report(data: dict[str, Any], root: Path) -> PowerReport:
    definition = built(data, root)
    return power_report(definition.site, definition.catalog)


def limits(data: dict[str, Any], root: Path) -> dict[str, LimitReport]:
    return {row.element: row for row in report(data, root).limits}


def problems(data: dict[str, Any], root: Path) -> dict[str, Problem]:
    with pytest.raises(ProblemsError) as caught:
        built(data, root)
    return {path_text(problem.path): problem for problem in caught.value.problems}


def test_what_is_left_of_the_shelves_after_a_feed_holds_the_caps_down(root: Path) -> None:
    """132.606 kW hang on 4 x 33 kW then: 606 W must come from 72 GPUs."""
    assert TRAYS_W + SWITCHES_W - 4 * SHELF_W == 606
    found = problems(rack(caps="none"), root)["pods.pod-a.racks.r2"]
    assert found.message == "needs 132.606 kW with feed A lost; limit: 132 kW, the power shelves of pod-a/r2"
    assert found.hint.startswith("a cap of 1191 W per GPU (power.caps)")
    whole = report(rack(), root)
    assert whole.gpu_caps_w == {"gpu": 1_191}
    assert {row.situation: row.lost for row in whole.losses}["with feed A lost"] == 0


def test_shelves_load_all_phases_of_their_feed_alike(root: Path) -> None:
    found = limits(rack(), root)
    carried = TRAYS_W - 72 * 9 + SWITCHES_W + LOSSES_W
    for feed in "AB":
        for phase in (1, 2, 3):
            row = found[f"phase L{phase} of the PDU of feed {feed} in pod-a/r2"]
            assert row.situation.endswith("lost")
            assert row.carries_w == pytest.approx(carried / 3, abs=1)


def test_without_losses_planned_all_shelves_share(root: Path) -> None:
    data = rack(caps="none")
    data["power"]["plan"] = "n"
    row = limits(data, root)["the power shelves of pod-a/r2"]
    assert (row.situation, row.limit_w, row.carries_w) == ("in normal operation", 8 * SHELF_W, TRAYS_W + SWITCHES_W)


@pytest.mark.parametrize("shelves", [(1,), (1, 2, 3, 4)])
def test_too_few_shelves(shelves: tuple[int, ...], root: Path) -> None:
    data = rack(shelves, caps="none")
    data["power"]["plan"] = "n"
    found = problems(data, root)["pods.pod-a.racks.r2"]
    assert f"limit: {len(shelves) * 33} kW, the power shelves of pod-a/r2" in found.message


def test_shelves_of_one_feed_are_off_with_it(root: Path) -> None:
    found = problems(rack(pdus={"A": "tap-3x300a"}), root)
    assert found["pods.pod-a.nodes.gpu"].message.startswith("with feed A lost, 18 of gpu are off")


@pytest.mark.parametrize("power", [True, False])
def test_a_bus_bar_that_nothing_feeds(power: bool, root: Path) -> None:
    data = rack()
    del data["pods"]["pod-a"]["equipment"]["shelf"]
    if not power:
        del data["power"]
        for one in data["pods"]["pod-a"]["racks"].values():
            one.pop("pdus")
    found = problems(data, root)["pods.pod-a.nodes.gpu"]
    assert found.message == "gpu (gb200-nvl72-tray) hangs on the bus bar of r2, which no power shelf feeds"
    assert found.expected == "power shelves such as nvl72-power-shelf"


def test_what_needs_liquid_must_have_it(root: Path) -> None:
    dry = rack(liquid=False)
    found = problems(dry, root)["pods.pod-a.nodes.gpu.sku"]
    assert found.message == "gb200-nvl72-tray is cooled by liquid, and none reaches r2"
    pod = dry["pods"]["pod-a"]
    pod["cooling"] = {"units": 4, "unit": "rear-door-40kw"}
    assert "pods.pod-a.nodes.gpu.sku" in problems(dry, root), "a rear door cools air"
    pod["cooling"] = {"units": 2, "unit": "cdu-in-row-1300kw"}
    built(dry, root)
    del pod["cooling"]
    pod["equipment"]["cdu"] = {"sku": "cdu-in-rack-250kw", "at": ["r2/u5"]}
    pod["budget"] = "160 kW"
    built(dry, root)


def test_heat_is_split_between_air_and_liquid(root: Path) -> None:
    data = rack(caps="none")
    data["power"]["plan"] = "n"
    pod = data["pods"]["pod-a"]
    pod["cooling"], pod["liquidCooling"] = (
        {"units": 3, "unit": "in-row-60kw"},
        {"units": 2, "unit": "cdu-in-rack-250kw"},
    )
    found = limits(data, root)
    liquid = found["the liquid cooling units of pod-a"]
    air = found["the air cooling units of pod-a"]
    assert (liquid.path, liquid.limit_w) == ("pods.pod-a.liquidCooling", 500_000)
    assert liquid.carries_w == pytest.approx(0.94 * TRAYS_W + 0.9 * SWITCHES_W, abs=1)
    del pod["liquidCooling"]
    alone = limits(data, root)["the cooling units of pod-a"]
    assert air.carries_w + liquid.carries_w == pytest.approx(alone.carries_w, abs=2), "no heat is lost or made"


def test_the_loss_of_a_unit_of_either_kind(root: Path) -> None:
    data = rack(caps={"gpu": "1190 W"})
    pod = data["pods"]["pod-a"]
    pod["cooling"], pod["liquidCooling"] = {"units": 2, "unit": "60 kW"}, {"units": 2, "unit": "100 kW"}
    found = problems(data, root)
    assert "with one unit lost" in found["pods.pod-a.liquidCooling"].message
    assert "limit: 100 kW, the liquid cooling units of pod-a" in found["pods.pod-a.liquidCooling"].message
    assert "pods.pod-a.cooling" not in found, "a tenth of the heat is left for the air"
    pod["liquidCooling"] = {"units": 2, "unit": "250 kW"}
    built(data, root)


def test_cooling_units_of_the_wrong_kind(root: Path) -> None:
    data = rack(liquid=False)
    pod = data["pods"]["pod-a"]
    pod["cooling"], pod["liquidCooling"] = (
        {"units": 9, "unit": "cdu-in-row-1300kw"},
        {"units": 9, "unit": "in-row-60kw"},
    )
    found = problems(data, root)
    assert found["pods.pod-a.cooling.unit"].message == "cdu-in-row-1300kw cools liquid, and `cooling` is for air"
    assert found["pods.pod-a.cooling.unit"].hint == "under liquidCooling"
    assert found["pods.pod-a.liquidCooling.unit"].message == "in-row-60kw cools air, and `liquidCooling` is for liquid"
    assert "pods.pod-a.nodes.gpu.sku" not in found, "liquid is planned"
    pod["liquidCooling"] = {"units": 1, "unit": "cdu-in-row-1300k"}
    assert problems(data, root)["pods.pod-a.liquidCooling.unit"].message == "unknown SKU cdu-in-row-1300k"


def test_entries_of_the_catalogue() -> None:
    source = [{"of": "all", "from": "a test", "confidence": "unverified"}]
    common = {"id": "x", "model": "X", "units": 1, "power": {"nameplate": "1 kW", "typical": "1 kW", "idle": "1 kW"}}
    supplies = {"count": 2, "each": "2 kW"}
    cpu = {"sockets": 1, "coresPerSocket": 1, "threadsPerCore": 1}
    node = Node.model_validate(
        {**common, "kind": "cpu", "cpu": cpu, "memory": "1 GB", "supplies": supplies, "busBar": True, "sources": source}
    )
    assert [path_text(problem.path) for problem in entry_problems(node)] == ["supplies"]
    for kind, bus_bar, wrong in (
        ("power-shelf", True, []),
        ("power-shelf", False, ["output"]),
        ("switch", True, ["output"]),
    ):
        shelf = Equipment.model_validate(
            {**common, "kind": kind, "busBar": bus_bar, "output": "33 kW", "sources": source}
        )
        assert [path_text(problem.path) for problem in entry_problems(shelf)] == wrong
