"""GPU software in the documents: who gets what, from where, and whom a change concerns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.documents import Document, documents
from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT

KEY = (ROOT / "inventories" / "ems1" / "keys" / "mirror.asc").read_text(encoding="utf-8")


@pytest.fixture
def data() -> dict[str, Any]:
    """Two pods: one with the lab's machines, one with real GPU servers; all from a mirror."""
    text = PLAIN_LAB
    found: dict[str, Any] = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
    found["grid"]["connection"] = "400 kVA"
    found["software"]["sources"] = {
        "mirror": {"url": "https://packages.example/nvidia", "fingerprint": "721816512B7E38D964A774B008594AE99AF04F8C"}
    }
    found["software"]["nvidia"] = {"source": "mirror", "driver": "590.48.01", "nccl": "2.29.3"}
    nodes = {
        "gpu": {"sku": "dgx-b200", "at": ["r1/u1"]},
        "login": {"sku": "srv-mgmt", "services": ["login"], "at": ["r1/u40"]},
    }
    found["pods"]["pod-b"] = {"budget": "40 kW", "racks": {"r1": {}}, "nodes": nodes}
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    beside = tmp_path / "inventories" / "lab"
    (beside / "keys").mkdir(parents=True)
    (beside / "keys" / "mirror.asc").write_text(KEY, encoding="utf-8")
    (beside / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    return tmp_path


def made(data: dict[str, Any], root: Path) -> dict[str, Document]:
    return documents(plan_site(build_definition(data, root)))


def planned(data: dict[str, Any], root: Path) -> NvidiaPlan:
    return plan_site(build_definition(data, root)).of(NvidiaPlan)


def with_variable(document: Document, name: str) -> set[str]:
    """Machines that are given a variable of their own kind."""
    return {host for group in document["groups"].values() for host in group["hosts"] if group.get("vars", {}).get(name)}


def test_blackwell_behind_nvswitches_gets_both_managers_at_the_drivers_version(
    data: dict[str, Any], root: Path
) -> None:
    plan = planned(data, root).drivers["dgx-b200"]
    assert plan.packages == {
        "nvidia-driver-cuda": "590.48.01-*",
        "libcuda1": "590.48.01-*",
        "nvidia-kernel-open-dkms": "590.48.01-*",
        "nvidia-persistenced": "590.48.01-*",
        "nvidia-fabricmanager": "590.48.01-*",
        "nvlsm": "",
    }
    assert plan.fabric_manager and plan.headers == {"linux-headers-amd64": ""}


def test_the_other_flavour_and_the_other_sources_packages_are_in_the_way(data: dict[str, Any], root: Path) -> None:
    plan = planned(data, root)
    assert plan.drivers["dgx-b200"].absent == ("nvidia-kernel-dkms", "nvidia-open-kernel-dkms", "nvidia-smi")
    assert plan.drivers["sim-dgx-h100"].absent == ("nvidia-smi",), "modules of the host are left alone"
    data["software"]["nvidia"] = {"source": "distro", "driver": "550.163.01", "nccl": "2.22.3"}
    data["pods"]["pod-b"]["nodes"]["gpu"]["sku"] = "srv-4xl40s"
    plan = planned(data, root)
    assert set(plan.drivers["srv-4xl40s"].absent) == {
        "nvidia-driver-cuda",
        "nvidia-kernel-dkms",
        "nvidia-kernel-open-dkms",
    }
    assert plan.sources == {} and not plan.drivers["srv-4xl40s"].fabric_manager


def test_another_driver_concerns_gpu_nodes_only(data: dict[str, Any], root: Path) -> None:
    before = made(data, root)
    data["software"]["nvidia"]["driver"] = "595.71.05"
    after = made(data, root)
    assert {scope for scope in after if after[scope] != before[scope]} == {"pod-a", "pod-b"}
    changed = {
        name
        for scope in ("pod-a", "pod-b")
        for name, group in after[scope]["groups"].items()
        if group != before[scope]["groups"][name]
    }
    assert changed == {"gpu", "class_gpu"}
    assert before["pod-a"]["vars"] == after["pod-a"]["vars"]


def test_sources_reach_the_machines_that_use_them(data: dict[str, Any], root: Path) -> None:
    found = made(data, root)
    assert with_variable(found["control"], "package_sources_wanted") == set()
    assert with_variable(found["pod-a"], "package_sources_wanted") == {"pod-a-r1-u01", "pod-a-r1-u09"}
    assert with_variable(found["pod-b"], "package_sources_wanted") == {"pod-b-r1-u01"}


@pytest.mark.parametrize(
    ("toolkit", "machines"),
    [
        ("none", set()),
        ("shared", set()),
        ("node", {"pod-a-r1-u40", "pod-b-r1-u40", "pod-a-r1-u01", "pod-a-r1-u09", "pod-b-r1-u01"}),
    ],
)
def test_toolkits_reach_the_machines_that_are_meant(
    toolkit: str, machines: set[str], data: dict[str, Any], root: Path
) -> None:
    versions = [] if toolkit == "none" else ["13.1"]
    data["software"]["nvidia"]["cuda"] = {"toolkit": toolkit, "versions": versions}
    found = made(data, root)
    got = {host for document in found.values() for host in with_variable(document, "cuda_packages")}
    assert got == machines
    assert {host for one in found.values() for host in with_variable(one, "package_sources_wanted")} >= machines


def test_a_shared_toolkit_is_put_on_its_volume_by_the_controller_and_seen_everywhere(
    data: dict[str, Any], root: Path
) -> None:
    data["software"]["nvidia"]["cuda"] = {"toolkit": "shared", "versions": ["13.1"]}
    data["storage"]["volumes"]["scratch"]["clients"] = ["gpu", "login"]
    data["pods"]["pod-a"]["nodes"]["control"]["services"] = ["controller"]
    found = made(data, root)
    plan = planned(data, root).shared
    assert plan and (plan.machine, plan.volume) == ("pod-a-r1-u40", "scratch")
    [shared] = [group["vars"] for name, group in found["control"]["groups"].items() if name == "controllers"]
    assert shared["cuda_shared_versions"] == {"13.1": {"cuda-toolkit-13-1": "13.1.*"}}
    assert shared["cuda_shared_directory"] == "/scratch/cuda" and shared["cuda_shared_source"] == "mirror"
    [mounts] = [
        group["vars"]["storage_mounts_volumes"]
        for group in found["control"]["groups"].values()
        if "storage_mounts_volumes" in group.get("vars", {})
    ]
    assert list(mounts) == ["scratch"] and mounts["scratch"]["source"] == shared["cuda_shared_mounted_from"]
    assert with_variable(found["control"], "package_sources_wanted") == {"pod-a-r1-u40"}
    assert with_variable(found["control"], "cuda_links") == set()
    for pod, machines in (("pod-a", {"pod-a-r1-u01", "pod-a-r1-u09"}), ("pod-b", {"pod-b-r1-u01", "pod-b-r1-u40"})):
        assert with_variable(found[pod], "cuda_links") == machines
        assert "cuda_shared_versions" not in str(found[pod])
        for group in found[pod]["groups"].values():
            if links := group.get("vars", {}).get("cuda_links"):
                assert links == {"/usr/local/cuda-13.1": "/scratch/cuda/13.1"}
                [check] = [one for one in group["vars"]["verify_checks"] if one["check"] == "toolkit"]
                assert check["answers"] is ("pod-b-r1-u40" in group["hosts"])
    names = [user["name"] for user in found["pod-a"]["vars"]["base_users"]]
    assert names == ["gridmill-accept", "gridmill-toolkits"]
    del data["software"]["nvidia"]["cuda"]
    assert "gridmill-toolkits" not in str(made(data, root))


def test_toolkits_stand_side_by_side(data: dict[str, Any], root: Path) -> None:
    data["software"]["nvidia"] |= {"driver": "595.71.05", "cuda": {"toolkit": "node", "versions": ["13.1", "13.2"]}}
    assert planned(data, root).cuda == {"cuda-toolkit-13-1": "13.1.*", "cuda-toolkit-13-2": "13.2.*"}


def test_nothing_but_the_key_itself_travels(data: dict[str, Any], root: Path) -> None:
    file = root / "inventories" / "lab" / "keys" / "mirror.asc"
    file.write_text(f"{{{{ lookup('pipe', 'touch /tmp/canary') }}}}\n{KEY}", encoding="utf-8")
    source = planned(data, root).sources["mirror"]
    assert source.key.startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n") and "lookup" not in source.key


def test_another_address_of_the_mirror_is_no_matter_of_the_controllers(data: dict[str, Any], root: Path) -> None:
    before = made(data, root)
    data["software"]["sources"]["mirror"]["url"] = "https://other.example/nvidia"
    after = made(data, root)
    assert before["control"] == after["control"] and before["acceptance"] == after["acceptance"]


PREBUILT = """\
id: debian-13-mirror
os: debian-13
drivers: ["590.48.01"]
nccl: ["2.29.3"]
packages:
  driver: {nvidia-driver-cuda: "{driver}-*"}
  modules: {open: {prebuilt: {"nvidia-modules-open-{branch}": "{driver}-*"}}}
  headers: {linux-headers-amd64: ""}
  persistence: {nvidia-persistenced: "{driver}-*"}
  pinned: ["*nvidia*"]
  nccl: {libnccl2: "{nccl}-*"}
  cuda: {}
sources: [{of: all, from: a test, confidence: unverified}]
"""


def test_modules_that_the_source_has_built_need_no_headers(data: dict[str, Any], root: Path) -> None:
    skus = root / "inventories" / "lab" / "skus"
    skus.unlink()
    (skus / "software").mkdir(parents=True)
    (skus / "nodes").mkdir()
    (skus / "software" / "debian-13-mirror.yaml").write_text(PREBUILT, encoding="utf-8")
    for file in (ROOT / "inventories" / "lab" / "skus" / "nodes").iterdir():
        (skus / "nodes" / file.name).write_bytes(file.read_bytes())
    text = (ROOT / "gridmill" / "catalog" / "nodes" / "srv-4xl40s.yaml").read_text(encoding="utf-8")
    text = text.replace("srv-4xl40s", "signed").replace("sources:", "platform: {kernelModules: prebuilt}\nsources:")
    (skus / "nodes" / "signed.yaml").write_text(text, encoding="utf-8")
    data["pods"]["pod-b"]["nodes"]["gpu"]["sku"] = "signed"
    plan = planned(data, root).drivers["signed"]
    assert plan.packages == {
        "nvidia-driver-cuda": "590.48.01-*",
        "nvidia-modules-open-590": "590.48.01-*",
        "nvidia-persistenced": "590.48.01-*",
    }
    assert plan.headers == {} and "nvidia-kernel-open-dkms" in plan.absent
