"""The driver on a machine that takes kernel modules: flavour, version, holds, and sources that must not be trusted.

The machine is the site's storage server, planned as a server with 4 L40S behind NVSwitches for the time of these tests;
the driver's packages are simulated (driver_packages.py), and all else is real: planner, runner, roles, APT, systemd.
"""

from __future__ import annotations

import base64
import copy
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testinfra.host import Host

from gridmill.core.openpgp import fingerprint
from gridmill.documents import documents
from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT, without_power
from tests.e2e import driver_packages
from tests.e2e.conftest import NODES
from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.trial]

PLAYBOOK_NAME = "driver_trial.yml"
OLD, NEW = "570.133.20", "570.172.08"
STORE = NODES["store"][0]
SKU = """\
id: sim-l40s
kind: gpu
model: Server with 4 L40S behind NVSwitches (simulated)
units: 2
cpu: {sockets: 1, coresPerSocket: 2, threadsPerCore: 1}
memory: 2 GiB
gpu: {type: l40s, count: 4}
fabricManager: true
power: {nameplate: 1.8 kW, typical: 1.2 kW, idle: 600 W}
platform: {kernelModules: dkms, cgroup: none, clock: host}
simulated: true
sources: [{of: all, from: a test, confidence: simulated}]
"""
OFFERED = f"""\
id: debian-13-mirror
os: debian-13
drivers: ["{OLD}", "{NEW}"]
nccl: ["2.29.3"]
cuda: ["12.4", "12.8"]
packages:
  driver: {{nvidia-smi: "{{driver}}-*", libcuda1: "{{driver}}-*"}}
  modules:
    open: {{dkms: {{nvidia-open-kernel-dkms: "{{driver}}-*"}}}}
    proprietary: {{dkms: {{nvidia-kernel-dkms: "{{driver}}-*"}}}}
  persistence: {{nvidia-persistenced: "{{driver}}-*"}}
  fabricManager: {{nvidia-fabricmanager: "{{driver}}-*"}}
  pinned: ["*nvidia*", "libcuda1"]
  nccl: {{libnccl2: "{{nccl}}-*"}}
  cuda: {{"cuda-toolkit-{{cuda-}}": "{{cuda}}.*"}}
provides: ["*nvidia*", "libcuda1", "libnccl2", "cuda-*"]
sources: [{{of: all, from: a test, confidence: simulated}}]
"""
PLAYBOOK = """\
- {name: Sources, hosts: all, gather_facts: false, become: true, roles: [package_sources]}
- {name: Driver, hosts: gpu, gather_facts: false, become: true, roles: [nvidia, nccl, cuda]}
- {name: Verification, hosts: all, gather_facts: false, become: true, roles: [verify]}
"""
TELLS = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {version}  Release Build  (simulated)"
CLEAR = """
set -eu
# a machine that no run has touched has none of these: what is left all the same shows in the first test's assertions
umount /proc/driver 2>/dev/null || true
systemctl --quiet stop nvidia-persistenced nvidia-fabricmanager 2>/dev/null || true
rm -rf /etc/apt/*/gridmill-source-* /etc/apt/preferences.d/gridmill-nvidia /etc/apt/preferences.d/gridmill-nccl
rm -rf /srv/gridmill-test/unsigned /srv/gridmill-test/forged /var/lib/gridmill/reboot-needed /etc/systemd/system/nvidia-persistenced.service.d
apt-get --quiet=2 --yes --allow-change-held-packages purge '*nvidia*' libcuda1 libnccl2 'cuda-toolkit-*' >/dev/null 2>&1 || true
"""


class Driver:
    """The storage server planned with a driver, and converged by the runner."""

    def __init__(self, site: SiteCopy, machine: Host, root: Path, key: str) -> None:
        self.site, self.machine, self.root, self.key = site, machine, root, key
        self.url = "file:/srv/gridmill-test/packages"

    def document(self, version: str, flavour: str) -> dict[str, Any]:
        """The pod's document with this machine only."""
        text = without_power(self.site.stack_file.read_text(encoding="utf-8"))
        data = copy.deepcopy(yaml.safe_load(text)["config"]["gridmill:site"])
        nvidia = {"source": "mirror", "driver": version, "kernelModules": flavour, "nccl": "2.29.3"}
        data["software"]["nvidia"] = {**nvidia, "cuda": {"toolkit": "node", "versions": ["12.4", "12.8"]}}
        mirror = {
            "url": "https://packages.example",
            "fingerprint": fingerprint(self.key),
            "origin": driver_packages.ORIGIN,
        }
        data["software"]["sources"] = {"mirror": mirror}
        data["pods"]["pod-a"]["nodes"]["store"] |= {"sku": "sim-l40s", "services": ["storage"]}
        plan = plan_site(build_definition(data, self.root))
        document = documents(plan)["pod-a"]
        for name in ("controllers", "carry", "decommission"):
            document.pop(name)
        document["scope"], document["playbook"] = "driver", PLAYBOOK_NAME
        document["hosts"] = {STORE: document["hosts"][STORE]}
        document["groups"] = {
            name: {**group, "hosts": [STORE]} for name, group in document["groups"].items() if STORE in group["hosts"]
        }
        [variables] = [
            one["vars"] for one in document["groups"].values() if "package_sources_wanted" in one.get("vars", {})
        ]
        variables["package_sources_wanted"]["mirror"]["url"] = self.url
        variables |= {"cuda_packages": plan.of(NvidiaPlan).cuda, "cuda_source": "mirror"}  # as if users logged in here
        return document

    def converge(self, document: dict[str, Any], action: str, *, check: bool = True) -> tuple[list[str], str]:
        """Tasks that changed something, or would, and what the runner said."""
        command = [".venv/bin/python", "-m", "gridmill.operations.converge", action, "--full"]
        done = self.site.run(*command, stdin=json.dumps(document), check=check)
        assert (done.status == 0) is check, done.text[-3000:]
        return self.site.changes("driver", action)[STORE], done.text

    def apply_as_predicted(self, document: dict[str, Any], *, again: bool = False) -> list[str]:
        """Check mode, and the run; `again` for a second one, which changes nothing. What changed."""
        predicted, _ = self.converge(document, "check")
        changed, _ = self.converge(document, "apply")
        assert changed == predicted
        assert not again or self.converge(document, "apply")[0] == []
        return changed

    def installed(self, pattern: str) -> dict[str, str]:
        """Version of installed packages, with their wants before them."""
        show = "dpkg-query --show --showformat='${db:Status-Abbrev}|${Package}|${Version}\\n' "
        rows = [line.split("|") for line in self.machine.run(show + pattern).stdout.splitlines()]
        return {name: version for state, name, version in rows if state[1:2] == "i"}


def upload(site: SiteCopy, directory: Path, into: str, machine: str = STORE) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(directory, ".")
    unpack = f"sudo sh -c 'rm -rf {into} && mkdir -p {into} && base64 -d | tar --no-same-owner -xz -C {into}'"
    arguments = [".venv/bin/python", "-m", "gridmill.lab", "ssh", "--stack", site.stack_file.name, machine, unpack]
    site.run(*arguments, stdin=base64.b64encode(buffer.getvalue()).decode())


@pytest.fixture(scope="module")
def driver(site: SiteCopy, store: Host, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    work = tmp_path_factory.mktemp("driver")
    key = driver_packages.make(work / "packages", [OLD, NEW])
    upload(site, work / "packages", "/srv/gridmill-test/packages")
    beside = work / "project" / "inventories" / site.stack_file.stem.removeprefix("Pulumi.")
    for name, text in (("nodes/sim-l40s", SKU), ("software/debian-13-mirror", OFFERED)):
        file = beside / "skus" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for sku in (ROOT / "inventories" / "lab" / "skus" / "nodes").iterdir():
        (beside / "skus" / "nodes" / sku.name).write_bytes(sku.read_bytes())
    (beside / "keys").mkdir()
    (beside / "keys" / "mirror.asc").write_text(key, encoding="utf-8")
    playbook = site.directory / "playbooks" / PLAYBOOK_NAME
    playbook.write_text(PLAYBOOK, encoding="utf-8")
    store.check_output(CLEAR)
    yield Driver(site, store, work / "project", key)
    store.check_output(CLEAR)
    playbook.unlink()


def test_a_driver_is_installed_held_and_in_service(driver: Driver, store: Host) -> None:
    changed = driver.apply_as_predicted(driver.document(OLD, "open"), again=True)
    assert {"package_sources : Define package sources", "nvidia : Install packages"} <= set(changed)
    versions = driver.installed("'*nvidia*' libcuda1")
    assert versions["nvidia-open-kernel-dkms"] == f"{OLD}-1" and set(versions.values()) == {f"{OLD}-1"}
    assert "nvidia-kernel-dkms" not in versions
    held = store.check_output("apt-mark showhold").split()
    assert {"nvidia-smi", "libcuda1", "nvidia-open-kernel-dkms", "nvidia-fabricmanager", "libnccl2"} <= set(held)
    assert store.check_output("ls -d /usr/local/cuda-*").split() == ["/usr/local/cuda-12.4", "/usr/local/cuda-12.8"]
    for service in ("nvidia-persistenced", "nvidia-fabricmanager"):
        assert store.service(service).is_running and store.service(service).is_enabled


def test_an_upgrade_moves_nothing_and_the_source_gives_nothing_else(driver: Driver, store: Host) -> None:
    before = driver.installed("'*nvidia*' libcuda1")
    store.check_output("apt-get --quiet=2 update && DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 --yes upgrade")
    assert driver.installed("'*nvidia*' libcuda1") == before
    assert f"{NEW}-1" in store.check_output("apt-cache madison nvidia-smi"), "the newer one is on offer"
    policy = store.check_output("apt-cache policy tzdata")
    assert "99.0-1" in policy and "Candidate: 99.0-1" not in policy and "Installed: 99.0-1" not in policy


def test_the_other_flavour_takes_the_place_of_the_first(driver: Driver) -> None:
    driver.apply_as_predicted(driver.document(OLD, "proprietary"))
    versions = driver.installed("'*nvidia*' libcuda1")
    assert versions["nvidia-kernel-dkms"] == f"{OLD}-1" and "nvidia-open-kernel-dkms" not in versions


def test_another_version_moves_as_one_and_waits_for_a_restart(driver: Driver, store: Host) -> None:
    started = "systemctl show nvidia-fabricmanager --property=ActiveEnterTimestampMonotonic"
    before = store.check_output(started)
    store.check_output("mount -t tmpfs simulated /proc/driver && mkdir /proc/driver/nvidia")
    store.check_output(f"echo '{TELLS.format(version=OLD)}' > /proc/driver/nvidia/version")
    document = driver.document(NEW, "open")
    driver.apply_as_predicted(document)
    assert set(driver.installed("'*nvidia*' libcuda1").values()) == {f"{NEW}-1"}
    marker = store.file("/var/lib/gridmill/reboot-needed").content_string
    assert marker == f"nvidia: driver {NEW} open is installed, {OLD} open is loaded\n"
    assert store.check_output(started) == before, "no daemon of the new driver talks to the old one"
    store.check_output(f"echo '{TELLS.format(version=NEW)}' > /proc/driver/nvidia/version")  # as after a restart
    changed = driver.apply_as_predicted(document, again=True)
    assert "nvidia : Start Fabric Manager, with its program as it is" in changed
    assert not store.file("/var/lib/gridmill/reboot-needed").exists


def test_keys_and_signatures_that_are_not_right_are_refused(driver: Driver, store: Host) -> None:
    document = driver.document(NEW, "open")
    [variables] = [
        one["vars"] for one in document["groups"].values() if "package_sources_wanted" in one.get("vars", {})
    ]
    source = variables["package_sources_wanted"]["mirror"]
    before = store.check_output("cat /etc/apt/keyrings/gridmill-source-mirror.asc")
    right = source["fingerprint"]
    source["fingerprint"] = "0" * 40
    changed, said = driver.converge(document, "apply", check=False)
    assert changed == [] and f"its key is {right}, and not 0000" in said
    source["fingerprint"] = right
    assert store.check_output("cat /etc/apt/keyrings/gridmill-source-mirror.asc") == before
    copied = "cp -r /srv/gridmill-test/packages /srv/gridmill-test/{0} && cd /srv/gridmill-test/{0} && "
    store.check_output(copied.format("unsigned") + "rm InRelease")
    store.check_output(copied.format("forged") + "sed -i 's/^Version: 570/Version: 571/' Packages InRelease")
    for name, complaint in (("unsigned", "not signed"), ("forged", "")):
        source["url"] = f"file:/srv/gridmill-test/{name}"
        _, said = driver.converge(document, "apply", check=False)
        assert f"mirror is not used; file:/srv/gridmill-test/{name}: " in said and complaint in said
        assert not store.file("/etc/apt/sources.list.d/gridmill-source-mirror.sources").exists
        assert store.run("apt-get --quiet=2 update").rc == 0, "APT still works"


def test_a_source_that_left_the_plan_leaves_the_machine(driver: Driver, store: Host) -> None:
    document = driver.document(NEW, "open")
    driver.converge(document, "apply")
    for group in document["groups"].values():
        group.get("vars", {}).pop("package_sources_wanted", None)
    document["groups"].pop("gpu")
    assert driver.apply_as_predicted(document) == ["package_sources : Define package sources"]
    assert store.run("ls /etc/apt/*/gridmill-source-*").rc != 0
