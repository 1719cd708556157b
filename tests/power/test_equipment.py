"""Switches, power shelves and cooling units: they draw power and take room, and are no machines."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml

from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.documents import documents
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.power.report import power_report
from gridmill.report.power_tables import power_table
from gridmill.report.tables import site_table
from tests.conftest import ROOT

BASE: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.ems1.yaml").read_text(encoding="utf-8"))["config"][
    "gridmill:site"
]


def site(equipment: dict[str, Any], **pod: Any) -> dict[str, Any]:
    """One pod with a controller and two DGX in each of two racks: 41.6 kW without equipment."""
    data = copy.deepcopy(BASE)
    data.pop("power", None)
    data.pop("storage", None)
    data["software"]["nvidia"]["cuda"]["toolkit"] = "node"
    data["pods"] = {
        "pod-a": {
            "budget": "60 kW",
            "racks": {"r1": {}, "r2": {}},
            "nodes": {
                "control": {"sku": "srv-mgmt", "at": ["r1/u40"]},
                "gpu": {"sku": "dgx-h100", "at": ["r1/u1", "r1/u9", "r2/u1", "r2/u9"]},
            },
            "equipment": equipment,
            **pod,
        }
    }
    return data


def built(data: dict[str, Any]) -> Definition:
    return build_definition(data, ROOT)


def problems(data: dict[str, Any]) -> dict[str, Problem]:
    with pytest.raises(ProblemsError) as caught:
        built(data)
    return {path_text(problem.path): problem for problem in caught.value.problems}


LEAVES = {"leaf": {"sku": "qm9700", "at": ["r1/u46", "r2/u46"]}, "oob": {"sku": "sn2201", "at": ["r1/u48"]}}


def test_equipment_counts_in_every_kind_of_draw() -> None:
    bare, full = plan_site(built(site({}))), plan_site(built(site(LEAVES)))
    assert full.power.nameplate_w - bare.power.nameplate_w == 2 * 1720 + 100
    assert full.power.allocated_w - bare.power.allocated_w == 2 * 1720 + 100
    assert full.power.typical_w - bare.power.typical_w == 2 * 750 + 60
    assert full.power.idle_w - bare.power.idle_w == 2 * 600 + 50
    assert full.meter_w > bare.meter_w


def test_equipment_is_shown_and_never_converged() -> None:
    definition = built(site(LEAVES))
    plan = plan_site(definition)
    assert [(item.group, item.sku, f"{item.rack}/u{item.unit}", item.kind) for item in plan.pods[0].equipment] == [
        ("leaf", "qm9700", "r1/u46", "switch"),
        ("oob", "sn2201", "r1/u48", "switch"),
        ("leaf", "qm9700", "r2/u46", "switch"),
    ]
    assert len(plan.hosts) == 5
    assert "qm9700" not in json.dumps(documents(plan))
    table = site_table(plan)
    assert "leaf       pod-a r1/u46  qm9700  switch  1.72 kW" in table
    report = power_table(plan, power_report(definition.site, definition.catalog))
    assert "of the nameplate, switches and other equipment: 3.54 kW" in report
    assert "EQUIPMENT" not in site_table(plan_site(built(site({}))))


def test_switches_can_break_a_budget() -> None:
    data = site(LEAVES, budget="45 kW")
    found = problems(data)["pods.pod-a.budget"]
    assert found.message == "needs 45.14 kW; limit: 45 kW, the budget of pod-a"
    assert "1 node of gpu (dgx-h100) fewer" in found.hint
    data["pods"]["pod-a"]["budget"] = "45140 W"
    built(data)


@pytest.mark.parametrize(
    ("equipment", "path", "message", "hint"),
    [
        ({"leaf": {"sku": "qm9701", "at": ["r1/u46"]}}, "leaf.sku", "unknown SKU qm9701", "did you mean qm9700?"),
        ({"leaf": {"sku": "srv-mgmt", "at": ["r1/u46"]}}, "leaf.sku", "unknown SKU srv-mgmt", "put the group under `nodes`"),
        ({"leaf": {"sku": "qm9700", "at": ["r3/u46"]}}, "leaf.at[0]", "unknown rack r3", "add `r3: {}` to racks"),
        ({"leaf": {"sku": "qm9700", "at": ["r1/u8"]}}, "leaf.at[0]", "unit 8 of r1 is taken by gpu at r1/u1", ""),
        ({"leaf": {"sku": "q3400", "at": ["r1/u46"]}}, "leaf.at[0]", "r1/u46 needs units 46 to 49, and the rack ends at 48",
         "u45 or lower"),
        ({"leaf": {"sku": "qm9700", "at": ["r1/u46"]}, "top": {"sku": "sn5600", "at": ["r1/u45"]}}, "top.at[0]",
         "unit 46 of r1 is taken by leaf at r1/u46", ""),
        ({"leaf": {"sku": "qm9700", "at": ["r1/u46"], "services": ["login"]}}, "leaf.services", "unknown key", "remove it"),
    ],
)  # fmt: skip
def test_bad_equipment_names_its_problem(equipment: dict[str, Any], path: str, message: str, hint: str) -> None:
    found = problems(site(equipment))[f"pods.pod-a.equipment.{path}"]
    assert (found.message, found.hint) == (message, hint)


def test_a_switch_is_no_node() -> None:
    data = site({})
    data["pods"]["pod-a"]["nodes"]["leaf"] = {"sku": "qm9700", "at": ["r1/u46"]}
    found = problems(data)["pods.pod-a.nodes.leaf.sku"]
    assert (found.message, found.hint) == ("unknown SKU qm9700", "put the group under `equipment`")


def test_what_takes_no_rack_unit_shares_its_place() -> None:
    built(site({"door": {"sku": "rear-door-40kw", "at": ["r1/u1", "r2/u1"]}}))


def test_a_switch_on_one_feed_is_lost_with_it() -> None:
    data = site({"leaf": {"sku": "qm9700", "at": ["r3/u46"]}})
    data["power"] = {"feeds": {"A": {}, "B": {}}, "plan": "n-1"}
    data["pods"]["pod-a"]["racks"]["r3"] = {"pdus": {"A": "pdu-3x32a"}}
    found = problems(data)["pods.pod-a.equipment.leaf"]
    assert found.message == "with feed A lost, 1 of leaf are off (r3/u46): 0 supplies are left"


@pytest.mark.parametrize(
    ("power", "cooling", "path", "message", "hint"),
    [
        ({"modules": 2, "module": "ups-51kva"}, None, "power.feeds.A.ups.module", "unknown SKU ups-51kva",
         "did you mean ups-50kva?"),
        (None, {"units": 2, "unit": "rear-dor-40kw"}, "pods.pod-a.cooling.unit", "unknown SKU rear-dor-40kw",
         "did you mean rear-door-40kw?"),
        ({"modules": 1, "module": "ups-25kva"}, None, "power.feeds.A.ups",
         "needs 20.8 kW; limit: 19 kW, the UPS of feed A", "a cap of 587 W per GPU (power.caps); or 1 node of gpu (dgx-h100) fewer"),
        (None, {"units": 1, "unit": "rear-door-40kw"}, "pods.pod-a.cooling",
         "needs 41.6 kW; limit: 40 kW, the cooling units of pod-a",
         "a cap of 650 W per GPU (power.caps); or 1 node of gpu (dgx-h100) fewer"),
    ],
)  # fmt: skip
def test_ups_modules_and_cooling_units_by_sku(
    power: dict[str, Any] | None, cooling: dict[str, Any] | None, path: str, message: str, hint: str
) -> None:
    data = site({}, **({"cooling": cooling} if cooling else {}))
    data["grid"] = {"connection": "1 MVA", "pue": 1.2}
    data["power"] = {"feeds": {"A": {"ups": power} if power else {}, "B": {}}}
    found = problems(data)[path]
    assert (found.message, found.hint) == (message, hint)


@pytest.mark.parametrize("generation", ["gb200", "gb300"])
def test_an_nvl72_rack_can_be_planned(generation: str) -> None:
    data = site(
        {
            "nvlink": {"sku": f"{generation}-nvl72-switch", "at": [f"r2/u{unit}" for unit in range(19, 28)]},
            "shelf": {"sku": "nvl72-power-shelf", "at": [f"r2/u{unit}" for unit in (1, 2, 3, 4, 43, 44, 45, 46)]},
            "oob": {"sku": "sn2201", "at": ["r2/u47", "r2/u48"]},
        },
        budget="150 kW",
    )
    data["grid"] = {"connection": "400 kVA", "pue": 1.2}
    data["pods"]["pod-a"]["racks"]["r2"] = {"liquid": True}
    trays = [f"r2/u{unit}" for unit in (*range(9, 19), *range(28, 36))]
    data["pods"]["pod-a"]["nodes"]["gpu"] = {"sku": f"{generation}-nvl72-tray", "at": trays}
    data["software"]["nvidia"]["cuda"]["versions"] = ["13.2"]
    plan = plan_site(built(data))
    assert sum(host.gpu.count for host in plan.hosts if host.gpu) == 72
    assert 132_000 <= plan.power.nameplate_w <= 150_000


def test_ranges_stand_for_slots_of_equipment_too() -> None:
    plan = plan_site(built(site({"leaf": {"sku": "qm9700", "at": ["r[1-2]/u[46,47]"]}})))
    assert len(plan.pods[0].equipment) == 4
    data = site({"leaf": {"sku": "qm9700", "at": ["r1/u48", "r[1-2]/u[9,46]"]}})
    found = problems(data)["pods.pod-a.equipment.leaf.at[1]"]
    assert found.message in {"unit 9 of r1 is taken by gpu at r1/u9", "unit 9 of r2 is taken by gpu at r2/u9"}
