"""The lab itself: snapshots, in which machines and what Pulumi and Gridmill know of them go back together; machines
that are killed; who is refused beside it.
"""

from __future__ import annotations

import json
import os
import re

import pytest
from testinfra.host import Host

from tests.conftest import ROOT
from tests.e2e.conftest import NODES
from tests.e2e.only_run import AnotherRunError, only_run
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2 = NODES["gpu1"][0], NODES["gpu2"][0]
SUBMIT = "runuser --user gridmill-accept -- sbatch --wait --parsable --account=gridmill --chdir=/ --output=/scratch/out"


def names(site: SiteCopy) -> list[str]:
    return [one["name"] for one in json.loads(site.lab("snapshots", "--json").stdout)["snapshots"]]


def test_a_restored_site_has_its_data_and_works(site: SiteCopy, controller: Host) -> None:
    assert len(controller.check_output("sacct --allusers --noheader --allocations --format=JobID").split()) >= 1
    job = controller.check_output(f"{SUBMIT} --gres=gpu:8 --nodelist={GPU_1} --wrap='hostname; date'")
    assert controller.check_output("head --lines=1 /scratch/out") == GPU_1
    assert controller.check_output(f"sacct -nXPj {job} -o state").strip() == "COMPLETED"


def test_what_came_after_a_snapshot_is_gone_from_machines_and_from_pulumi(
    site: SiteCopy, controller: Host, gpu1: Host
) -> None:
    gpu1.check_output("echo first > /etc/note && rm /etc/chrony/chrony.conf")
    (site.state / "sites" / NAME / "reports" / "pod-a-apply.json").rename(site.state / "report.json")
    site.lab("snapshot", "second")
    assert site.on(GPU_1, "cat /etc/note; test -e /etc/chrony/chrony.conf || echo gone") == "first\ngone"
    controller.check_output("rm -r /var/lib/mysql /etc/slurm/slurm.jwks")
    site.pulumi("stack", "rm", "--yes", "--force", "--preserve-config")

    site.lab("restore", "second")
    assert site.on(GPU_1, "cat /etc/note; test -e /etc/chrony/chrony.conf || echo gone") == "first\ngone"
    assert site.gridmill("status", NAME, check=False).status == 1, "a report and a file are missing"

    site.booted("restore", site.kept.name)
    assert site.on(GPU_1, "test -e /etc/note || echo gone") == "gone"
    site.pulumi("preview", "--expect-no-changes")
    for phase in site.phases():
        assert not any(site.converge(phase, "check").values()), phase


def test_a_snapshot_is_removed_with_what_only_it_needed(site: SiteCopy) -> None:
    layers = site.access / "layers"
    assert len(list(layers.iterdir())) == 8
    refused = site.lab("snapshot", "second", check=False)
    assert refused.status == 1 and "snapshots --remove second" in refused.text
    site.lab("snapshots", "--remove", "second")
    assert len(list(layers.iterdir())) == 4
    assert names(site) == [site.kept.name]
    refused = site.lab("restore", "second", check=False)
    assert refused.status == 1 and f"its snapshots: {site.kept.name}" in refused.text


def test_the_lab_comes_back_after_a_killed_machine(site: SiteCopy, store: Host) -> None:
    machines = {machine["name"]: machine for machine in json.loads(site.lab("status", "--json").stdout)["machines"]}
    pid = machines[NODES["store"][0]]["pid"]
    site.run("kill", "-KILL", str(pid))
    site.lab("up")
    assert store.run("true").rc == 0


def test_a_second_lab_on_the_same_addresses_is_refused(site: SiteCopy) -> None:
    other = site.directory / "Pulumi.other.yaml"
    text = site.stack_file.read_text(encoding="utf-8")
    other.write_text(text.replace("name: e2e\n", "name: other\n").replace("/lab/e2e/", "/lab/other/"), "utf-8")
    skus = site.directory / "inventories" / "other"
    skus.symlink_to(site.directory / "inventories" / "e2e")
    done = site.run(".venv/bin/python", "-m", "gridmill.lab", "up", "--stack", other.name, check=False)
    assert done.status == 1
    assert re.search(r"198\.19\.16\.0/20 .*clashes with .* on gm-e2e", done.text), done.text
    other.unlink()
    skus.unlink()


def test_tests_of_another_checkout_are_refused_and_told_whose_run_it_is(site: SiteCopy) -> None:
    told = rf"in use: by the tests of {ROOT} \(process {os.getpid()}\), since "
    with pytest.raises(AnotherRunError, match=told), only_run(site.directory.parent):
        pass
    assert site.on(GPU_1, "hostname") == GPU_1, "nothing of the run that holds it was ended"
