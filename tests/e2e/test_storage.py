"""MooseFS on the virtual site, for real: jobs, quotas, a server that comes and goes, a volume that leaves and returns.

Alphabetically after test_chain, which leaves the site up. Destroying it is tested there.
"""

from __future__ import annotations

import json
import re

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2, STORE, CONTROLLER = (NODES[role][0] for role in ("gpu1", "gpu2", "store", "controller"))
HOME, SCRATCH = "/shared/home", "/scratch"
SCRATCH_LINE = "        scratch: {kind: moosefs, of: store, replicas: 1, mount: /scratch}\n"


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


def test_a_volume_in_use_is_not_unmounted(site: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output(f"systemd-run --quiet --unit=holder --working-directory={SCRATCH} sleep 900")
    site.edit(SCRATCH_LINE, "")
    done = site.pulumi("up", "--yes", check=False)
    assert done.status != 0
    assert re.search(rf"{GPU_1}.* scratch at {SCRATCH} is in use by \d+ \(sleep\)", done.text), done.text[-3000:]
    assert mounted(gpu1, SCRATCH)
    gpu1.check_output("systemctl stop holder")


def test_the_same_command_unmounts_it_when_it_is_free(site: SiteCopy, controller: Host, gpu1: Host) -> None:
    site.pulumi("up", "--yes")
    assert not mounted(gpu1, SCRATCH)
    assert not mounted(controller, SCRATCH)
    assert mounted(gpu1, HOME)


def test_what_is_there_is_never_hidden(site: SiteCopy, controller: Host) -> None:
    controller.check_output(f"install -D /dev/null {SCRATCH}/mine")
    site.edit("      volumes:\n", f"      volumes:\n{SCRATCH_LINE}")
    site.edit("users: {anna: 100 MB}", "users: {anna: 70 MB}")
    done = site.pulumi("up", "--yes", check=False)
    assert done.status != 0
    assert f"{SCRATCH} holds mine, which mounting scratch would hide" in done.text, done.text[-3000:]
    assert controller.file(f"{SCRATCH}/mine").exists
    controller.check_output(f"rm {SCRATCH}/mine")


def test_a_volume_comes_back_with_its_data_and_a_quota_follows(site: SiteCopy, gpu1: Host) -> None:
    site.pulumi("up", "--yes")
    assert gpu1.check_output(f"cat {SCRATCH}/from-job") == GPU_1
    refused = gpu1.run(f"runuser --user anna -- dd if=/dev/zero of={HOME}/anna/fill bs=1M count=80 status=none")
    assert "quota exceeded" in refused.stderr
    gpu1.check_output(f"runuser --user anna -- rm {HOME}/anna/fill")
    site.pulumi("up", "--yes", "--expect-no-changes")
