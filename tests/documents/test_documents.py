"""Documents of sites that are not the lab: several pods, kinds and services."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from gridmill.documents import Document, documents
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT


@pytest.fixture
def data() -> dict[str, Any]:
    text = PLAIN_LAB
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
    found["grid"]["connection"] = "400 kVA"
    found["pods"]["pod-a"]["budget"] = "100 kW"
    return found


def made(data: dict[str, Any], keys: dict[str, str] | None = None) -> dict[str, Document]:
    return documents(plan_site(build_definition(data, ROOT)), keys)


def checks_of(document: Document, host: str) -> set[str]:
    return {
        check["check"]
        for name, group in document["groups"].items()
        if name.startswith("class_") and host in group["hosts"]
        for check in group["vars"]["verify_checks"]
    }


def test_machines_of_one_sku_with_other_services_have_their_own_checks(data: dict[str, Any]) -> None:
    nodes = data["pods"]["pod-a"]["nodes"]
    nodes["login"] = {"sku": "sim-mgmt", "services": ["login"], "at": ["r1/u20"]}
    nodes["cpu"] = {"sku": "sim-mgmt", "services": ["compute"], "at": ["r1/u30"]}
    document = made(data)["pod-a"]
    assert "slurm_node" in checks_of(document, "pod-a-r1-u30")
    assert "slurm_node" not in checks_of(document, "pod-a-r1-u20")
    assert {carry["variable"] for carry in document["carry"]} == {"slurm_compute_auth_keys", "slurm_login_auth_keys"}


def test_a_pod_of_controllers_only_has_no_hosts(data: dict[str, Any]) -> None:
    data["pods"]["pod-b"] = copy.deepcopy(data["pods"]["pod-a"])
    data["pods"]["pod-a"]["nodes"] = {"control": {"sku": "sim-mgmt", "at": ["r1/u40"]}}
    del data["pods"]["pod-b"]["nodes"]["control"]
    found = made(data)
    assert found["pod-a"]["hosts"] == {}
    assert found["pod-a"]["carry"] == []


def test_every_type_of_gpu_gets_a_job(data: dict[str, Any]) -> None:
    pod = copy.deepcopy(data["pods"]["pod-a"])
    pod["nodes"] = {"gpu": {"sku": "srv-4xl40s", "at": ["r1/u1"]}}
    data["pods"]["pod-b"] = pod
    jobs = made(data)["acceptance"]["groups"]["controllers"]["vars"]["acceptance_jobs"]
    assert [(job["name"], job["gres"]) for job in jobs] == [
        ("gridmill-accept-gpu-h100", "gpu:h100:2"),
        ("gridmill-accept-gpu-l40s", "gpu:l40s:2"),
    ]
    # one node without control groups, and Slurm confines nobody: the job must ask for its own GPUs
    assert all("CUDA_VISIBLE_DEVICES" in job["command"] for job in jobs)


def test_where_slurm_confines_jobs_they_must_see_no_other_gpu(data: dict[str, Any]) -> None:
    pod = data["pods"]["pod-a"]["nodes"]
    pod["gpu"]["sku"] = "srv-4xl40s"
    jobs = made(data)["acceptance"]["groups"]["controllers"]["vars"]["acceptance_jobs"]
    assert [job["command"] for job in jobs] == ["nvidia-smi --list-gpus"]


def test_adding_a_node_changes_its_pod_and_the_controllers_only(data: dict[str, Any]) -> None:
    data["pods"]["pod-b"] = copy.deepcopy(data["pods"]["pod-a"])
    del data["pods"]["pod-b"]["nodes"]["control"], data["pods"]["pod-b"]["nodes"]["store"]
    before = made(data)
    data["pods"]["pod-b"]["nodes"]["gpu"]["at"].append("r1/u17")
    after = made(data)
    assert {scope for scope in after if after[scope] != before[scope]} == {"control", "pod-b"}


def test_a_replaced_machine_shows_by_its_host_key(data: dict[str, Any]) -> None:
    before = made(data, {"198.18.4.65": "SHA256:a", "198.18.4.104": "SHA256:c"})
    after = made(data, {"198.18.4.65": "SHA256:b", "198.18.4.104": "SHA256:c"})
    assert {scope for scope in after if after[scope] != before[scope]} == {"pod-a"}
    assert after["pod-a"]["hosts"]["pod-a-r1-u01"]["hostKey"] == "SHA256:b"


def test_keys_are_rotated_on_every_machine_that_holds_them_and_by_no_other_phase(data: dict[str, Any]) -> None:
    nodes = data["pods"]["pod-a"]["nodes"]
    nodes["login"] = {"sku": "sim-mgmt", "services": ["login"], "at": ["r1/u20"]}
    before = made(data)
    assert "keys" not in before, "a site that never rotated has nothing to go over to"
    data["scheduler"]["keyEpoch"] = 2
    after = made(data)
    assert list(after) == ["storage", "control", "pod-a", "exports", "keys", "acceptance"]
    document = after["keys"]
    assert "carry" not in document and "decommission" not in document
    assert {key: group["hosts"] for key, group in document["groups"].items()} == {
        "controllers": ["pod-a-r1-u40"],
        "compute": ["pod-a-r1-u01", "pod-a-r1-u09"],
        "login": ["pod-a-r1-u20"],
    }
    assert set(document["hosts"]) == {name for group in document["groups"].values() for name in group["hosts"]}
    assert document["vars"] == {"slurm_keys_epoch": 2, "slurm_keys_overlap": 120}
    for scope in ("control", "pod-a"):
        assert after[scope] != before[scope], "the new key must come to every machine first"


def test_resolvers_reach_the_sites_dns(data: dict[str, Any]) -> None:
    data["network"]["resolvers"] = ["10.0.0.53"]
    assert made(data)["control"]["groups"]["controllers"]["vars"]["dns_server_upstreams"] == ["10.0.0.53"]


def variables(document: Document, host: str) -> dict[str, Any]:
    return {
        name: value
        for group in document["groups"].values()
        if host in group["hosts"]
        for name, value in group.get("vars", {}).items()
    }


def test_kernels_are_set_only_where_the_machine_has_one_of_its_own(data: dict[str, Any]) -> None:
    data["kernel"] = {"sysctl": {"vm.swappiness": "10"}, "parameters": ["init_on_alloc=0", "iommu=pt"]}
    simulated = variables(made(data)["pod-a"], "pod-a-r1-u01")
    assert simulated["base_own_kernel"] is False
    assert simulated["base_sysctl"] == {} and simulated["base_kernel_parameters"] == []
    data["pods"]["pod-a"]["nodes"]["gpu"]["sku"] = "srv-4xl40s"
    data["pods"]["pod-a"]["nodes"]["store"]["sku"] = "srv-nvme"
    document = made(data)["pod-a"]
    gpu, store = variables(document, "pod-a-r1-u01"), variables(document, "pod-a-r1-u38")
    assert gpu["base_own_kernel"] is store["base_own_kernel"] is True
    assert gpu["base_kernel_parameters"] == ["iommu=pt", "init_on_alloc=0"] and store["base_kernel_parameters"] == []
    assert gpu["base_sysctl"]["vm.swappiness"] == "10", "the stack wins"
    assert "kernel.numa_balancing" in gpu["base_sysctl"] and "kernel.numa_balancing" not in store["base_sysctl"]


def test_users_enter_where_they_submit_and_beside_their_jobs(data: dict[str, Any]) -> None:
    def logins() -> dict[str, str]:
        found = made(data)
        hosts = {host: found[scope] for scope in ("control", "pod-a") for host in found[scope]["hosts"]}
        return {host: variables(document, host)["base_user_logins"] for host, document in hosts.items()}

    never = {"pod-a-r1-u40": "always", "pod-a-r1-u01": "never", "pod-a-r1-u09": "never", "pod-a-r1-u38": "never"}
    assert logins() == never
    data["pods"]["pod-a"]["nodes"]["gpu"]["sku"] = "srv-4xl40s"
    assert logins() == {**never, "pod-a-r1-u01": "with_job", "pod-a-r1-u09": "with_job"}
    assert variables(made(data)["pod-a"], "pod-a-r1-u01")["slurm_compute_user_logins"] is True


def test_people_are_everywhere_with_the_same_numbers(data: dict[str, Any]) -> None:
    key = data["access"]["admins"]["anna"]["keys"][0]
    data["access"]["groups"] = {"chemistry": {"gid": 4000}}
    data["access"]["users"] = {"ben": {"uid": 3001, "keys": [key], "groups": ["chemistry"]}}
    data["access"]["admins"]["anna"]["groups"] = ["chemistry"]
    for scope in ("control", "pod-a"):
        values = made(data)[scope]["vars"]
        assert values["base_people"] == [{"name": "ben", "uid": 3001, "keys": [key], "home": "/shared/home/ben"}]
        assert values["base_groups"] == [{"name": "chemistry", "gid": 4000, "members": ["anna", "ben"]}]


def test_limits_reach_accounting_and_partitions(data: dict[str, Any]) -> None:
    scheduler = data["scheduler"]
    scheduler["accounts"]["research"]["limits"] = {"gpus": 16, "maxWall": "1-12:00:00"}
    scheduler["partitions"]["gpu"] |= {"defaultTime": "1:00:00", "maxNodes": 2, "allowAccounts": ["research"]}
    values = made(data)["control"]["groups"]["controllers"]["vars"]
    assert values["slurm_controller_accounts"][1]["limits"] == {"gpus": 16, "max_wall_minutes": 2160}
    (partition,) = values["slurm_controller_partitions"]
    assert partition["AllowAccounts"] == "gridmill,research", "acceptance jobs always may"
    assert (partition["DefaultTime"], partition["MaxNodes"]) == ("1:00:00", "2")
    assert "PriorityTier" not in partition and "AllowGroups" not in partition
