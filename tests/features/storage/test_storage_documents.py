"""Storage in documents: who serves, who mounts, with which sources and options."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from gridmill.documents import Document, documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT


@pytest.fixture
def data() -> dict[str, Any]:
    """The sample of one pod on real hardware."""
    text = (ROOT / "Pulumi.ems1.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["config"]["gridmill:site"]
    del found["pods"]["pod-a"]["nodes"]["control"]["services"]  # a controller that takes logins, too
    del found["software"]["nvidia"]["cuda"], found["storage"]["volumes"]["software"]
    return found


def planned(data: dict[str, Any]) -> SitePlan:
    return plan_site(build_definition(copy.deepcopy(data), ROOT))


def variable(document: Document, host: str, name: str) -> Any:
    found = [
        group["vars"][name]
        for group in document["groups"].values()
        if host in group["hosts"] and name in group.get("vars", {})
    ]
    assert len(found) <= 1
    return found[0] if found else None


def checks(document: Document, host: str) -> list[dict[str, Any]]:
    return list(variable(document, host, "verify_checks"))


def test_a_site_without_storage_has_no_phase_and_no_mounts(data: dict[str, Any]) -> None:
    del data["storage"]
    found = documents(planned(data))
    assert list(found) == ["control", "pod-a", "acceptance"]
    assert "storage_mounts_volumes" not in str(found) and "moosefs" not in str(found)


def test_servers_come_before_everybody_who_mounts(data: dict[str, Any]) -> None:
    found = documents(planned(data))
    assert next(iter(found)) == "storage"
    assert set(found["storage"]["hosts"]) == {"pod-a-r1-u36", "pod-a-r2-u36"}
    assert "decommission" not in found["storage"], "removing the phase must leave the servers serving"


def test_one_master_and_chunks_on_all(data: dict[str, Any]) -> None:
    storage = documents(planned(data))["storage"]
    names = {
        host: {check.get("name") or check["check"] for check in checks(storage, host)} for host in storage["hosts"]
    }
    assert names["pod-a-r1-u36"] == {"moosefs-chunkserver", "moosefs-master", "moosefs_servers"}
    assert names["pod-a-r2-u36"] == {"moosefs-chunkserver"}
    for host in storage["hosts"]:
        assert variable(storage, host, "storage_moosefs_master") == "10.40.4.100"
        assert variable(storage, host, "storage_moosefs_mounted") is True
        assert variable(storage, host, "storage_moosefs_networks") == ["10.40.0.0/16"]
    volumes = variable(storage, "pod-a-r1-u36", "storage_moosefs_volumes")
    assert volumes["home"]["replicas"] == 2 and volumes["home"]["quota"] == 500 * 10**9
    assert volumes["scratch"]["size"] == 40 * 10**12 and volumes["scratch"]["holds"] == "users"


def test_nodes_that_run_jobs_or_take_logins_mount(data: dict[str, Any]) -> None:
    found = documents(planned(data))
    for document, host in ((found["control"], "pod-a-r1-u40"), (found["pod-a"], "pod-a-r1-u01")):
        volumes = variable(document, host, "storage_mounts_volumes")
        assert {name: volume["mount"] for name, volume in volumes.items()} == {
            "home": "/shared/home",
            "scratch": "/scratch",
        }
        assert {"nosuid", "nodev", "_netdev", "nofail"} <= set(volumes["home"]["options"])
        assert [check["path"] for check in checks(document, host) if check["check"] == "mounted"] == [
            "/shared/home",
            "/scratch",
        ]
    assert variable(found["pod-a"], "pod-a-r1-u36", "storage_mounts_volumes") is None


def test_named_clients_only(data: dict[str, Any]) -> None:
    data["storage"]["volumes"]["scratch"]["clients"] = ["gpu"]
    found = documents(planned(data))
    assert set(variable(found["control"], "pod-a-r1-u40", "storage_mounts_volumes")) == {"home"}
    assert set(variable(found["pod-a"], "pod-a-r1-u01", "storage_mounts_volumes")) == {"home", "scratch"}


def test_nfs_is_version_4_hard_and_by_the_servers_address(data: dict[str, Any]) -> None:
    pod = data["pods"]["pod-a"]["nodes"]
    pod["store"]["at"] = ["r1/u36"]
    data["storage"] = {"volumes": {"home": {"kind": "nfs", "servedBy": "store"}}}
    found = documents(planned(data))
    home = variable(found["pod-a"], "pod-a-r1-u01", "storage_mounts_volumes")["home"]
    assert (home["type"], home["what"], home["source"]) == ("nfs4", *["10.40.4.100:/srv/gridmill/home"] * 2)
    assert home["options"][:2] == ["vers=4.2", "proto=tcp"] and {"hard", "sec=sys", "nofail"} <= set(home["options"])
    assert variable(found["pod-a"], "pod-a-r1-u01", "storage_mounts_packages") == {"nfs-common": ""}
    volumes = variable(found["storage"], "pod-a-r1-u36", "storage_nfs_volumes")
    assert volumes == {"home": {"path": "/srv/gridmill/home", "holds": "homes", "read_only": False}}
    assert variable(found["storage"], "pod-a-r1-u36", "storage_nfs_people")[0]["name"] == "anna"
    assert found["storage"]["groups"]["nfs"]["hosts"] == ["pod-a-r1-u36"]


@pytest.mark.parametrize(
    ("kind", "source", "mounted_as", "packages"),
    [
        ("lustre", "10.0.0.1@tcp:10.0.0.2@tcp:/scratch", "lustre", {}),
        ("wekafs", "weka1,weka2/scratch", "wekafs", {}),
        ("cephfs", "gridmill@.cephfs=/scratch", "ceph", {"ceph-common": ""}),
        ("nfs4", "filer.example:/export/scratch", "nfs4", {"nfs-common": ""}),
    ],
)
def test_external_volumes(
    data: dict[str, Any], kind: str, source: str, mounted_as: str, packages: dict[str, str]
) -> None:
    volume = {"kind": "external", "type": kind, "source": source, "readOnly": True, "options": ["noatime"]}
    data["storage"] = {"volumes": {"scratch": volume}}
    found = documents(planned(data))
    assert "storage" not in found
    mount = variable(found["pod-a"], "pod-a-r1-u01", "storage_mounts_volumes")["scratch"]
    assert (mount["type"], mount["what"]) == (mounted_as, source)
    assert mount["options"][-2:] == ["ro", "noatime"]
    assert variable(found["pod-a"], "pod-a-r1-u01", "storage_mounts_packages") == packages
    (check,) = [check for check in checks(found["pod-a"], "pod-a-r1-u01") if check["check"] == "mounted"]
    assert check["read_only"] is True


def test_a_new_person_concerns_the_servers_of_homes(data: dict[str, Any]) -> None:
    before = documents(planned(data))["storage"]
    data["access"]["admins"]["bram"] = {**data["access"]["admins"]["anna"], "uid": 2002}
    after = documents(planned(data))["storage"]
    people = variable(after, "pod-a-r1-u36", "storage_moosefs_people")
    assert people == [{"name": "anna", "uid": 2001}, {"name": "bram", "uid": 2002}]
    assert before != after


def test_adding_a_gpu_node_concerns_no_server(data: dict[str, Any]) -> None:
    before = documents(planned(data))["storage"]
    data["pods"]["pod-a"]["nodes"]["gpu"]["at"].pop()
    assert documents(planned(data))["storage"] == before


def test_homes_of_people_lie_on_the_volume_and_administrators_stay_local(data: dict[str, Any]) -> None:
    data["access"]["users"] = {"ben": {**data["access"]["admins"]["anna"], "uid": 3001}}
    found = documents(planned(data))
    assert [one["home"] for one in found["pod-a"]["vars"]["base_people"]] == ["/shared/home/ben"]
    assert all("home" not in one for one in found["pod-a"]["vars"]["base_admins"])
    names = [one["name"] for one in variable(found["storage"], "pod-a-r1-u36", "storage_moosefs_people")]
    assert names == ["anna", "ben"]
    assert variable(found["pod-a"], "pod-a-r1-u01", "base_make_homes") is None
    del data["storage"]
    assert "home" not in documents(planned(data))["pod-a"]["vars"]["base_people"][0]


def test_a_volume_over_the_machines_homes_finds_them_empty(data: dict[str, Any]) -> None:
    data["storage"]["volumes"]["home"]["mount"] = "/home"
    found = documents(planned(data))
    assert variable(found["pod-a"], "pod-a-r1-u01", "base_make_homes") is False
    assert variable(found["pod-a"], "pod-a-r1-u36", "base_make_homes") is None


def test_a_server_in_maintenance_is_left_alone_and_may_be_missing(data: dict[str, Any]) -> None:
    data["pods"]["pod-a"]["maintenance"] = {"r2/u36": "disk replaced"}
    storage = documents(planned(data))["storage"]
    assert set(storage["hosts"]) == {"pod-a-r1-u36"}
    (check,) = [check for check in checks(storage, "pod-a-r1-u36") if check["check"] == "moosefs_servers"]
    assert (check["addresses"], check["others"]) == (["10.40.4.100"], ["10.40.4.164"])
    data["storage"]["volumes"] = {"home": {**data["storage"]["volumes"]["home"], "replicas": 1}}
    data["pods"]["pod-a"]["nodes"]["store"]["at"] = ["r2/u36"]
    data["storage"]["servers"]["store"]["master"] = "pod-a-r2-u36"
    assert "storage" not in documents(planned(data)), "a phase without a machine is none"


def test_pods_to_come_serve_and_mount_nothing_yet(data: dict[str, Any]) -> None:
    before = documents(planned(data))["storage"]
    data["pods"]["pod-b"] = {"like": "pod-a", "from": "2031-01-01", "nodes": {"store": {"at": ["r1/u36"]}}}
    data["grid"]["connection"] = "630 kVA"
    del data["grid"]["contract"]
    assert documents(planned(data))["storage"] == before
