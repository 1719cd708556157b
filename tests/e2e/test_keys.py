"""Rotation of the cluster's key while a job runs. Alphabetically after test_chain, which leaves the site up."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]


def epochs(host: Host) -> list[str]:
    return [key["kid"] for key in json.loads(host.check_output("cat /etc/slurm/slurm.jwks"))["keys"]]


def test_the_clusters_key_is_rotated_under_a_running_job(site: SiteCopy, controller: Host, gpu1: Host) -> None:
    assert epochs(controller) == epochs(gpu1) == ["1"]
    slurmctld = controller.check_output("systemctl show slurmctld --property=ActiveEnterTimestampMonotonic")
    submit = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
    step = "srun --nodes=2 --overlap true || exit 9"
    script = f"while [ ! -e /tmp/rotated ]; do {step}; sleep 0.5; done; {step}"
    job = controller.check_output(f"{submit} --time=30 --nodes=2 --wrap='{script}'")
    site.edit("    scheduler:\n", "    scheduler:\n      keyEpoch: 2\n      keyOverlapSeconds: 3\n")
    done = site.pulumi("up", "--yes")
    assert "keys" in done.text
    assert epochs(controller) == epochs(gpu1) == ["2"]
    assert controller.check_output(f"squeue --noheader --jobs={job} --format=%T") == "RUNNING"
    gpu1.check_output("touch /tmp/rotated")
    states = "RUNNING"
    while "RUNNING" in states or "COMPLETING" in states:
        states = controller.check_output(f"sacct --noheader --parsable2 --jobs={job} --format=State")
    assert set(states.split()) == {"COMPLETED"}, states
    after = controller.check_output("systemctl show slurmctld --property=ActiveEnterTimestampMonotonic")
    assert after == slurmctld, "slurmctld was restarted, not reloaded"
    site.pulumi("preview", "--expect-no-changes")
