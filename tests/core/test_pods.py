"""Pods that are like another, planned pods, maintenance, and which machine stands where."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.core.errors import ProblemsError
from gridmill.core.sections.machines import parse_machine_list
from gridmill.documents import documents
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.report.tables import site_table
from gridmill.schema import site_schema
from tests.conftest import PLAIN_LAB, ROOT


@pytest.fixture
def data() -> dict[str, Any]:
    text = PLAIN_LAB
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
    found["grid"]["connection"] = "400 kVA"
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that has the lab's SKUs and room for a list of machines."""
    beside = tmp_path / "inventories" / "lab"
    beside.mkdir(parents=True)
    (beside / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    return tmp_path


def planned(data: dict[str, Any], root: Path = ROOT) -> SitePlan:
    return plan_site(build_definition(data, root))


def test_a_pod_like_another_says_only_what_differs(data: dict[str, Any]) -> None:
    pods = data["pods"]
    pods["pod-a"]["maintenance"] = {"r1/u9": "fan"}
    pods["pod-b"] = {"like": "pod-a", "nodes": {"gpu": {"at": ["r1/u1"]}}}
    pods["pod-c"] = {"like": "pod-b", "budget": "11 kW", "nodes": {"gpu": {"at": ["r1/u9"]}}}
    before = copy.deepcopy(data)
    plan = planned(data)
    assert data == before
    first, second, third = plan.pods
    assert [(host.name, host.sku, host.maintenance) for host in second.hosts] == [
        ("pod-b-r1-u01", "sim-dgx-h100", None)
    ]
    assert (second.power.budget_w, third.power.budget_w) == (first.power.budget_w, 11_000)
    assert third.hosts[0].gpu == first.hosts[0].gpu


def test_a_pod_like_another_has_its_equipment(data: dict[str, Any]) -> None:
    data["grid"]["connection"] = "200 kVA"
    leaf = {"sku": "sn2201", "at": ["r1/u45"]}
    data["pods"]["pod-a"] |= {
        "budget": "26 kW",
        "equipment": {"leaf": leaf, "oob": {"sku": "sn2201", "at": ["r1/u46"]}},
    }
    data["pods"]["pod-b"] = {"like": "pod-a", "nodes": {"gpu": {"at": ["r1/u1"]}}}
    data["pods"]["pod-c"] = {**data["pods"]["pod-b"], "equipment": {"leaf": {"at": ["r1/u44"]}}}
    first, second, third = planned(data).pods
    assert second.equipment == first.equipment and len(first.equipment) == 2
    assert [(item.group, item.sku, item.unit) for item in third.equipment] == [("leaf", "sn2201", 44)]


def test_a_planned_pod_is_reserved_and_left_alone(data: dict[str, Any]) -> None:
    alone = documents(planned(data))
    data["pods"]["pod-b"] = {"like": "pod-a", "from": "2027-04-01", "nodes": {"gpu": {"at": ["r1/u1", "r1/u9"]}}}
    plan = planned(data)
    assert documents(plan) == alone
    assert [pod.key for pod in plan.pods] == ["pod-a"]
    (pod,) = plan.future
    assert (pod.key, pod.planned_from, pod.network) == ("pod-b", "2027-04-01", "198.18.8.0/22")
    assert plan.power.nameplate_w == 22_400
    (step,) = plan.growth
    assert (step.pod, step.nameplate_w, step.meter_w) == ("pod-b", 42_800, 53_500)
    lines = site_table(plan).splitlines()
    assert any(line.startswith("pod-b-r1-u01") and line.endswith("planned, from 2027-04-01") for line in lines)
    assert any(line.startswith("pod-b, from 2027-04-01  20.4 kW") for line in lines)
    assert any(line.startswith("meter with pod-b        53.5 kW") for line in lines)
    del data["pods"]["pod-b"]["from"]
    assert list(documents(planned(data))) == ["storage", "control", "pod-a", "pod-b", "exports", "acceptance"]


def test_growth_is_told_by_date(data: dict[str, Any]) -> None:
    for key, date in (("pod-b", "2028-01-01"), ("pod-c", "2027-04-01")):
        data["pods"][key] = {"like": "pod-a", "from": date, "nodes": {"gpu": {"at": ["r1/u1"]}}}
    assert [(step.pod, step.nameplate_w) for step in planned(data).growth] == [("pod-c", 32_600), ("pod-b", 42_800)]


def test_a_planned_pod_whose_number_is_taken(data: dict[str, Any]) -> None:
    data["pods"]["pod-1"] = {"like": "pod-a", "from": "2027-04-01", "nodes": {"gpu": {"at": ["r1/u1"]}}}
    with pytest.raises(ProblemsError, match="pod number 1 is also that of pod-a"):
        planned(data)


def test_a_partition_waits_for_its_pod_unless_it_is_the_default(data: dict[str, Any]) -> None:
    group = {"sku": "sim-dgx-h100", "at": ["r1/u1"]}
    data["pods"]["pod-b"] = {"like": "pod-a", "from": "2027-04-01", "nodes": {"later": group}}
    data["scheduler"]["partitions"]["later"] = {"nodeGroups": ["later"]}
    assert [line["PartitionName"] for line in planned(data).of(SlurmPlan).partitions] == ["gpu"]
    data["scheduler"]["partitions"]["gpu"].pop("default")
    data["scheduler"]["partitions"]["later"]["default"] = True
    with pytest.raises(ProblemsError, match="later is in no installed pod"):
        planned(data)


def test_maintenance_leaves_a_node_out_but_keeps_it(data: dict[str, Any]) -> None:
    before = documents(planned(data))
    data["pods"]["pod-a"]["maintenance"] = {"r1/u9": "PSU 3 replaced, ticket 118"}
    plan = planned(data)
    after = documents(plan)
    assert "pod-a-r1-u09" not in after["pod-a"]["hosts"]
    assert all("pod-a-r1-u09" not in group["hosts"] for group in after["pod-a"]["groups"].values())
    assert after["pod-a"]["maintenance"] == {"pod-a-r1-u09": "PSU 3 replaced, ticket 118"}
    controllers = after["control"]["groups"]["controllers"]["vars"]
    assert controllers["slurm_controller_maintenance"] == after["pod-a"]["maintenance"]
    assert (
        controllers["slurm_controller_nodes"]
        == before["control"]["groups"]["controllers"]["vars"]["slurm_controller_nodes"]
    )
    assert after["acceptance"] == before["acceptance"]
    assert plan.power.nameplate_w == 22_400
    assert any(line.endswith("maintenance: PSU 3 replaced, ticket 118") for line in site_table(plan).splitlines())
    rotated = documents(plan.with_plan("slurm", replace(plan.of(SlurmPlan), key_epoch=2)))["keys"]
    assert "pod-a-r1-u09" in rotated["maintenance"]
    assert "pod-a-r1-u09" not in rotated["hosts"]
    data["pods"]["pod-a"]["maintenance"]["r1/u1"] = "same"
    jobs = documents(planned(data))["acceptance"]["groups"]["controllers"]["vars"]["acceptance_jobs"]
    assert jobs == []


def test_the_name_login_goes_to_a_machine_in_service(data: dict[str, Any]) -> None:
    pod = data["pods"]["pod-a"]
    pod["nodes"]["login"] = {"sku": "sim-mgmt", "services": ["login"], "at": ["r1/u20", "r1/u21"]}
    pod["nodes"]["control"]["services"] = ["controller"]
    for maintenance, address in (({}, "198.18.4.84"), ({"r1/u20": "fan"}, "198.18.4.85")):
        pod["maintenance"] = maintenance
        records = documents(planned(data))["control"]["groups"]["controllers"]["vars"]["dns_server_records"]
        assert [at for at, names in records.items() if "login.lab.gridmill.test" in names and ":" not in at] == [
            address
        ]


def test_a_serial_number_is_an_input_of_its_machine(data: dict[str, Any]) -> None:
    before = documents(planned(data))
    data["pods"]["pod-a"]["machines"] = {"r1/u9": {"serial": "S1", "mac": "02-00-00-00-00-AB"}}
    after = documents(planned(data))
    assert {scope for scope in after if after[scope] != before[scope]} == {"pod-a"}
    entry = after["pod-a"]["hosts"]["pod-a-r1-u09"]
    assert (entry["serial"], entry["mac"]) == ("S1", "02:00:00:00:00:ab")
    assert not {"serial", "mac"} & set(after["pod-a"]["hosts"]["pod-a-r1-u01"])


LIST = "Pod;Rack;U;Serial Number;MAC Address;Weight\npod-a;r1;U09;S1;02-00-00-00-00-AB;130 kg\n\npod-a;r1;1;S2;;\n"


def test_a_vendors_list(data: dict[str, Any], root: Path) -> None:
    (root / "inventories" / "lab" / "machines.csv").write_text("\ufeff" + LIST, encoding="utf-8")
    data["pods"]["pod-a"]["machines"] = {"r1/u1": {"serial": "s2", "mac": "02:00:00:00:00:01"}}
    hosts = {host.name: (host.serial, host.mac) for host in planned(data, root).hosts}
    assert hosts["pod-a-r1-u09"] == ("S1", "02:00:00:00:00:ab")
    assert hosts["pod-a-r1-u01"] == ("s2", "02:00:00:00:00:01")
    assert hosts["pod-a-r1-u38"] == (None, None)


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("rack,unit,serial\n", [(1, "no column for pod")]),
        ("", [(1, "no column for pod, rack, unit")]),
        ("pod,rack,unit,mac\npod-a,r1,top,x\n", [(2, "top is not a rack unit"), (2, "x is not a MAC address")]),
        ("pod,rack,unit,serial\npod-a,,1,S1\n", [(2, "rack is empty")]),
        ("pod,rack,unit,serial\npod-a,r1,1,$(touch x)\n", [(2, "$(touch x) is not a serial number")]),
        ("pod,rack,unit,serial\npod-x,r1,1,S1\n", [(2, "unknown pod pod-x")]),
        ("pod,rack,unit,serial\n\npod-a,r1,2,S1\n", [(3, "no node at r1/u2 of pod-a")]),
        ("pod,rack,unit,serial\npod-a,r1,9,S3\n", [(2, "serial number S3 for pod-a r1/u9, where the stack says S9")]),
        (
            "pod,rack,unit,serial\npod-a,r1,1,S1\npod-a,r1,38,S1\n",
            [(3, "serial number S1 is also that of pod-a r1/u1 (inventories/lab/machines.csv:2)")],
        ),
        (
            "pod,rack,unit,serial\npod-a,r1,1,S1\npod-a,r1,1,S2\n",
            [(3, "serial number S2 for pod-a r1/u1, where line 2 says S1")],
        ),
    ],
)
def test_problems_of_a_list_carry_file_and_line(
    text: str, problems: list[tuple[int, str]], data: dict[str, Any], root: Path
) -> None:
    (root / "inventories" / "lab" / "machines.csv").write_text(text, encoding="utf-8")
    data["pods"]["pod-a"]["machines"] = {"r1/u9": {"serial": "S9"}}
    with pytest.raises(ProblemsError) as caught:
        planned(data, root)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == problems
    assert {problem.file for problem in caught.value.problems} == {"inventories/lab/machines.csv"}


def test_a_list_that_is_no_text(data: dict[str, Any], root: Path) -> None:
    (root / "inventories" / "lab" / "machines.csv").write_bytes(b"pod,rack\xff")
    with pytest.raises(ProblemsError, match=r"machines\.csv: cannot be read: not UTF-8"):
        planned(data, root)


def test_a_list_of_ten_thousand_is_read_in_order() -> None:
    lines = [f"pod-{n // 100},r1,{n % 48 + 1},S{n}," for n in range(10_000)]
    machines, problems = parse_machine_list("\n".join(["pod,rack,unit,serial,mac", *lines]), "x.csv")
    assert (len(machines), problems) == (10_000, [])
    assert (machines[-1].line, machines[-1].machine.serial) == (10_001, "S9999")


def test_the_schema_lets_a_pod_be_like_another() -> None:
    definitions = site_schema()["$defs"]
    assert definitions["Pod"]["required"] == ["nodes"]
    assert definitions["NodeGroup"]["required"] == ["at"]
    assert {"like", "from", "maintenance", "machines"} <= set(definitions["Pod"]["properties"])
