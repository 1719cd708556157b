"""Toolkits on a volume: the controller puts them there, every machine sees them; what changes, leaves, or is cut short.

The packages are simulated (driver_packages.py); all else is real: planner, runner, roles, APT, dpkg-deb, MooseFS.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

from gridmill.core.openpgp import fingerprint
from gridmill.documents import documents
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT, without_power
from tests.e2e import driver_packages
from tests.e2e.conftest import NODES
from tests.e2e.site_copy import SiteCopy
from tests.e2e.test_software import OFFERED, OLD, upload

pytestmark = [pytest.mark.trial]

PLAYBOOK_NAME = "toolkits_trial.yml"
CONTROLLER, NODE = NODES["controller"][0], NODES["gpu1"][0]
REPOSITORY = "/srv/gridmill-test/toolkits"
PLAYBOOK = """\
- {name: Controller, hosts: controllers, gather_facts: false, become: true, roles: [package_sources, cuda, verify]}
- {name: Node, hosts: "all:!controllers", gather_facts: false, become: true, roles: [cuda, verify]}
"""
AS_OWNER = "setpriv --reuid=1991 --regid=1991 --clear-groups"
CLEAR = f"""
rm -rf /etc/apt/*/gridmill-source-* /var/lib/gridmill/toolkit-links.json {REPOSITORY}
find /usr/local -maxdepth 1 -name 'cuda-*' -exec rm -rf {{}} +
"""
CHECKS = {"hostname", "toolkit"}
NVCC = "/usr/local/cuda-{}/bin/nvcc --version"


class Toolkits:
    """The controller and one node, planned with shared toolkits and converged by the runner."""

    def __init__(self, site: SiteCopy, root: Path, key: str) -> None:
        self.site, self.root, self.key = site, root, key

    def document(self, wanted: dict[str, str]) -> dict[str, Any]:
        """One document for both machines; `wanted` are versions of the packages by version of the toolkit."""
        text = without_power(self.site.stack_file.read_text(encoding="utf-8"))
        data = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
        cuda = {"toolkit": "shared", "versions": list(wanted)} if wanted else {}
        data["software"]["nvidia"] = {"source": "mirror", "driver": OLD, "nccl": "2.29.3", "cuda": cuda}
        mirror = {"url": "https://packages.example", "fingerprint": fingerprint(self.key)}
        data["software"]["sources"] = {"mirror": {**mirror, "origin": driver_packages.ORIGIN}}
        found = documents(plan_site(build_definition(data, self.root)))
        document, pod = found["control"], found["pod-a"]
        document.pop("decommission")
        document |= {"scope": "toolkits", "playbook": PLAYBOOK_NAME, "vars": {**pod["vars"], **document["vars"]}}
        document["hosts"][NODE] = pod["hosts"][NODE]
        document["groups"] |= {
            name: {**group, "hosts": [NODE]} for name, group in pod["groups"].items() if NODE in group["hosts"]
        }
        for group in document["groups"].values():
            values = group.get("vars", {})
            if "verify_checks" in values:
                values["verify_checks"] = [one for one in values["verify_checks"] if one["check"] in CHECKS]
            if "package_sources_wanted" in values:
                values["package_sources_wanted"]["mirror"]["url"] = f"file:{REPOSITORY}"
            for version, packages in values.get("cuda_shared_versions", {}).items():
                packages.update(dict.fromkeys(packages, wanted[version]))
        return document

    def converge(self, wanted: dict[str, str], action: str, *options: str) -> dict[str, list[str]]:
        command = [".venv/bin/python", "-m", "gridmill.operations.converge", action, *options]
        done = self.site.run(*command, stdin=json.dumps(self.document(wanted)))
        self.said = done.text
        return self.site.changes("toolkits", action)

    def apply_as_predicted(self, wanted: dict[str, str]) -> dict[str, list[str]]:
        predicted = self.converge(wanted, "check", "--full")
        changed = self.converge(wanted, "apply", "--full")
        assert changed == predicted
        return changed


@pytest.fixture(scope="module")
def trial(site: SiteCopy, controller: Host, gpu1: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toolkits]:
    work = tmp_path_factory.mktemp("toolkits")
    key = driver_packages.make(work / "packages", [])
    beside = work / "project" / "inventories" / site.stack_file.stem.removeprefix("Pulumi.")
    for name in ("keys", "skus/software", "skus/nodes"):
        (beside / name).mkdir(parents=True)
    (beside / "skus" / "software" / "debian-13-mirror.yaml").write_text(OFFERED, encoding="utf-8")
    for sku in (ROOT / "inventories" / "lab" / "skus" / "nodes").iterdir():
        (beside / "skus" / "nodes" / sku.name).write_bytes(sku.read_bytes())
    (beside / "keys" / "mirror.asc").write_text(key, encoding="utf-8")
    playbook = site.directory / "playbooks" / PLAYBOOK_NAME
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    controller.check_output(CLEAR)
    gpu1.check_output(CLEAR)
    upload(site, work / "packages", REPOSITORY, CONTROLLER)
    yield Toolkits(site, work / "project", key)
    controller.check_output(f"{AS_OWNER} rm -rf /scratch/cuda; {CLEAR}")
    gpu1.check_output(CLEAR)
    playbook.unlink()


def test_toolkits_lie_on_the_volume_once_and_every_machine_sees_them(
    trial: Toolkits, controller: Host, gpu1: Host
) -> None:
    wanted = {"12.4": "12.4.1-*", "12.8": "12.8.1-*"}
    changed = trial.apply_as_predicted(wanted)
    assert changed[CONTROLLER] == [
        "cuda : Make links to toolkits on a volume",
        "cuda : Put toolkits on their volume",
        "package_sources : Define package sources",
    ]
    assert changed[NODE] == ["cuda : Make links to toolkits on a volume"]
    for machine in (controller, gpu1):
        for version in wanted:
            assert f"release {version}, V{version}.1 (simulated)" in machine.check_output(NVCC.format(version))
        assert machine.run("dpkg-query --show 'cuda-toolkit*'").rc != 0, "nothing is installed"
    assert set(controller.check_output("find /scratch/cuda -printf '%u\\n'").split()) == {"1991"}
    assert gpu1.run("touch /scratch/cuda/12.4/bin/x").rc != 0, "root of a node has no say there"
    assert trial.converge(wanted, "apply", "--full") == {CONTROLLER: [], NODE: []}
    assert trial.converge(wanted, "apply", "--all") == {CONTROLLER: [], NODE: []}


def test_what_a_killed_run_left_goes_and_what_somebody_else_put_there_stays(
    trial: Toolkits, controller: Host, gpu1: Host
) -> None:
    wanted = {"12.4": "12.4.1-*", "12.8": "12.8.1-*"}
    controller.check_output(
        f"{AS_OWNER} sh -c 'rm -r /scratch/cuda/12.8 /scratch/cuda/.12.8-*; mkdir -p /scratch/cuda/.new-12.8/root/usr'"
    )
    own = "cd /usr/local && rm cuda-12.4 && mkdir -p cuda-12.4/bin && touch cuda-12.4/bin/own"
    gpu1.check_output(f"{own} && cp /scratch/cuda/12.4/bin/nvcc cuda-12.4/bin/nvcc")
    changed = trial.apply_as_predicted(wanted)
    assert changed[CONTROLLER] == ["cuda : Put toolkits on their volume"]
    assert "/usr/local/cuda-12.4 is somebody else's and stays" in trial.said
    assert gpu1.file("/usr/local/cuda-12.4/bin/own").exists
    assert controller.run("ls -d /scratch/cuda/.new-*").rc != 0
    gpu1.check_output("rm -r /usr/local/cuda-12.4")


def test_one_is_replaced_and_another_leaves(trial: Toolkits, controller: Host, gpu1: Host) -> None:
    before = gpu1.check_output("readlink --canonicalize /usr/local/cuda-12.8")
    changed = trial.apply_as_predicted({"12.8": "12.8.2-*"})
    assert changed[CONTROLLER] == ["cuda : Make links to toolkits on a volume", "cuda : Put toolkits on their volume"]
    for machine in (controller, gpu1):
        assert "V12.8.2 (simulated)" in machine.check_output(NVCC.format("12.8"))
        assert not machine.file("/usr/local/cuda-12.4").exists and not machine.file("/scratch/cuda/12.4").exists
    assert "V12.8.1 (simulated)" in gpu1.check_output(f"{before}/bin/nvcc --version"), "a build that uses it goes on"


def test_without_toolkits_in_the_plan_the_links_go_and_the_volume_is_left_alone(
    trial: Toolkits, controller: Host, gpu1: Host
) -> None:
    changed = trial.apply_as_predicted({})
    assert changed[NODE] == ["cuda : Remove links to toolkits on a volume"]
    for machine in (controller, gpu1):
        assert not machine.file("/usr/local/cuda-12.8").exists
    assert controller.file("/scratch/cuda/12.8/bin/nvcc").exists
