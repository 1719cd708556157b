"""Volumes that leave and return on the virtual site, a wave of nodes at a time, with orders in between."""

from __future__ import annotations

import re
import time

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.faults import Run
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2, STORE, CONTROLLER = (NODES[role][0] for role in ("gpu1", "gpu2", "store", "controller"))
SUBMIT = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
HOME, SCRATCH = "/shared/home", "/scratch"
EXPORTS = "/etc/mfs/mfsexports.cfg"
KEPT = f"{SCRATCH}/kept"
SCRATCH_LINE = "        scratch: {kind: moosefs, servedBy: store, replicas: 1, mount: /scratch}\n"
REASON = "volume scratch: nobody needs it"
CONSENT = f"    changes: {{consent: {{{REASON}}}}}\n"


def mounted(host: Host, path: str) -> bool:
    return bool(host.run(f"findmnt --mountpoint {path}").rc == 0)


def test_a_volume_in_use_is_not_unmounted(site: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output(f"echo data > {KEPT}")
    gpu1.check_output(f"systemd-run --quiet --unit=holder --working-directory={SCRATCH} sleep 900")
    site.edit(SCRATCH_LINE, "")
    refused = site.pulumi("up", "--yes", check=False)
    assert "volume scratch leaves: nothing mounts what it holds" in refused.text
    assert "volume scratch: why it is wanted" in refused.text
    site.edit("    scheduler:\n", f"{CONSENT}    scheduler:\n")
    done = site.pulumi("up", "--yes", check=False)
    assert done.status != 0
    assert re.search(rf"{GPU_1}.* scratch at {SCRATCH} is in use by \d+ \(sleep\)", done.text), done.text[-3000:]
    assert mounted(gpu1, SCRATCH)
    gpu1.check_output("systemctl stop holder")


def test_a_node_whose_change_failed_stays_drained_and_the_next_wave_does_not_begin(controller: Host) -> None:
    drained = dict(line.split("|") for line in controller.check_output("sinfo -hNo '%N|%E' -t drain").splitlines())
    assert drained == {GPU_1: "changed by Gridmill: its checks failed"}


def test_the_same_command_unmounts_it_when_it_is_free_and_waits_for_a_job(
    site: SiteCopy, controller: Host, gpu1: Host
) -> None:
    script = f"until [ -e /tmp/enough ]; do date > {SCRATCH}/alive-$SLURM_JOB_ID || exit 1; sleep 0.5; done"
    job = controller.check_output(f"{SUBMIT} --nodelist={GPU_2} --gres=gpu:1 --wrap='{script}'")
    run = Run(site)
    run.until(f"waiting for {GPU_2}: job {job}")
    assert "/scratch" in site.on(STORE, f"cat {EXPORTS}"), "the job still works with it"
    site.on(GPU_2, "touch /tmp/enough")
    done = run.end()
    assert done.status == 0, done.text[-3000:]
    assert f"wave 1 of 2: {GPU_1}" in done.text, done.text[-3000:]
    assert controller.check_output(f"sacct -nXPj {job} -o state").strip() == "COMPLETED"
    assert set(controller.check_output("sinfo -hNo '%t'").split()) == {"idle"}
    assert not mounted(gpu1, SCRATCH)
    assert not mounted(controller, SCRATCH)
    assert mounted(gpu1, HOME)
    assert "/scratch" not in site.on(STORE, f"cat {EXPORTS}")


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
    assert gpu1.check_output(f"cat {KEPT}") == "data"
    gpu1.check_output(f"rm {KEPT}")
    refused = gpu1.run(f"runuser --user anna -- dd if=/dev/zero of={HOME}/anna/fill bs=1M count=80 status=none")
    assert "quota exceeded" in refused.stderr
    gpu1.check_output(f"runuser --user anna -- rm {HOME}/anna/fill")
    site.pulumi("up", "--yes", "--expect-no-changes")


def order(site: SiteCopy, what: str) -> None:
    """An order to whoever changes nodes in waves, from another terminal."""
    site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "rollout", NAME, what)


def all_idle(controller: Host) -> None:
    """Both nodes take jobs; one that was just resumed is `idle*` until slurmctld has heard of it."""
    for _ in range(20):
        states = set(controller.check_output("sinfo -hNo '%t'").split())
        if "idle*" not in states:
            break
        time.sleep(1)
    assert states == {"idle"}


def removal_that_waits(site: SiteCopy, controller: Host, more: str) -> Run:
    """A run that takes the volume away, for another reason than last time, and waits for a job on the first node."""
    site.edit(REASON, f"{REASON}{more}")
    script = "until [ -e /tmp/enough ]; do sleep 0.5; done"
    job = controller.check_output(f"{SUBMIT} --nodelist={GPU_1} --gres=gpu:1 --wrap='{script}'")
    site.edit(SCRATCH_LINE, "")
    run = Run(site)
    run.until(f"waiting for {GPU_1}: job {job}")
    return run


def test_a_rollout_pauses_before_its_next_wave_and_goes_on(
    site: SiteCopy, controller: Host, gpu1: Host, gpu2: Host
) -> None:
    run = removal_that_waits(site, controller, " now")
    order(site, "pause")
    gpu1.check_output("touch /tmp/enough")
    run.until("paused by")
    assert not mounted(gpu1, SCRATCH)
    assert mounted(gpu2, SCRATCH), "the wave after the pause has not begun"
    all_idle(controller)
    order(site, "continue")
    done = run.end()
    assert done.status == 0, done.text[-3000:]
    assert f"wave 2 of 2: {GPU_2}" in done.text
    assert not mounted(gpu2, SCRATCH)


def test_an_aborted_rollout_leaves_the_other_nodes_as_they_are_and_the_same_command_finishes(
    site: SiteCopy, controller: Host, gpu1: Host, gpu2: Host
) -> None:
    gpu1.check_output("rm /tmp/enough")
    site.edit("      volumes:\n", f"      volumes:\n{SCRATCH_LINE}")
    site.pulumi("up", "--yes")
    run = removal_that_waits(site, controller, " at all")
    order(site, "abort")
    gpu1.check_output("touch /tmp/enough")
    done = run.end()
    assert done.status != 0
    assert "aborted by" in done.text, done.text[-3000:]
    assert not mounted(gpu1, SCRATCH)
    assert mounted(gpu2, SCRATCH)
    assert "/scratch" in site.on(STORE, f"cat {EXPORTS}")
    all_idle(controller)
    site.pulumi("up", "--yes")
    assert not mounted(gpu2, SCRATCH)
    site.pulumi("preview", "--expect-no-changes")
