"""MooseFS on the virtual site, for real: homes, files of jobs, quotas, a server that comes and goes.

Before test_nodes.py, which leaves reports of single machines. Destroying is tested in test_chain.py.
"""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2, STORE, CONTROLLER = (NODES[role][0] for role in ("gpu1", "gpu2", "store", "controller"))
HOME, SCRATCH = "/shared/home", "/scratch"
SCRATCH_LINE = "        scratch: {kind: moosefs, servedBy: store, replicas: 1, mount: /scratch}\n"


def mounted(host: Host, path: str) -> bool:
    return bool(host.run(f"findmnt --mountpoint {path}").rc == 0)


def test_verification_saw_servers_and_mounts(site: SiteCopy) -> None:
    reports = site.state / "sites" / "e2e" / "reports"
    checks = {
        check["check"]: check
        for scope, host in (("storage", STORE), ("control", CONTROLLER), ("pod-a", GPU_1))
        for check in json.loads((reports / f"{scope}-apply.json").read_text("utf-8"))["hosts"][host]["checks"]
    }
    assert {"chunk servers", "service moosefs-master", f"mounted {HOME}", f"mounted {SCRATCH}"} <= set(checks)
    assert all(check["ok"] is True for check in checks.values())


def test_a_file_of_a_job_is_seen_on_the_login_node(controller: Host) -> None:
    submit = "runuser --user gridmill-accept -- sbatch --wait --account=gridmill --chdir=/ --output=/dev/null"
    controller.check_output(f"{submit} --nodelist={GPU_1} --gres=gpu:1 --wrap='hostname > {SCRATCH}/from-job'")
    assert controller.check_output(f"cat {SCRATCH}/from-job") == GPU_1
    assert controller.file(f"{SCRATCH}/from-job").user == "gridmill-accept"


def test_homes_are_their_owners_and_roots_of_clients_are_nobody(gpu1: Host, controller: Host) -> None:
    home = controller.file(f"{HOME}/anna")
    assert (home.user, home.group, home.mode) == ("anna", "anna", 0o700)
    assert controller.run(f"runuser --user anna -- cat {HOME}/anna/.profile").rc == 0
    assert "Permission denied" in gpu1.run(f"ls {HOME}/anna").stderr
    assert "Permission denied" in gpu1.run(f"mkdir {HOME}/root").stderr


def test_the_quota_ends_at_100_mb(gpu1: Host, controller: Host) -> None:
    fill = f"runuser --user anna -- dd if=/dev/zero of={HOME}/anna/fill bs=1M status=none"
    assert gpu1.run(f"{fill} count=60").rc == 0
    refused = gpu1.run(f"{fill} count=80 seek=60")
    assert refused.rc != 0
    assert "quota exceeded" in refused.stderr
    controller.check_output(f"runuser --user anna -- rm {HOME}/anna/fill")


def test_clients_outlive_a_crash_of_the_master(store: Host, gpu1: Host) -> None:
    store.check_output("systemctl kill --signal=KILL moosefs-master")
    assert gpu1.check_output(f"cat {SCRATCH}/from-job") == GPU_1
    assert store.service("moosefs-master").is_running


def test_a_client_boots_without_its_server_and_mounts_when_it_is_back(site: SiteCopy, store: Host) -> None:
    store.check_output("systemctl stop moosefs-master")
    site.lab("restart", GPU_2)
    assert site.on(GPU_2, f"findmnt --mountpoint {SCRATCH} || echo none") == "none"
    store.check_output("systemctl start moosefs-master")
    site.on(GPU_2, "sudo systemctl start gridmill-mounts.service; sudo systemctl start scratch.mount shared-home.mount")
    assert site.on(GPU_2, f"cat {SCRATCH}/from-job") == GPU_1
