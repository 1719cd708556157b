"""Backup, loss of everything that the controller keeps, and restore. Another machine in its place is the guide's way;
here the machine stays and is emptied, which takes a minute less. Runs on the site as the tests before leave it.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.trial]

GRIDMILL = (".venv/bin/python", "-m", "gridmill.operations.cli")
ACCOUNTED = "sacct --allusers --noheader --parsable2 --allocations --starttime 1970-01-01 --format=JobID,JobName,State"
DIGESTS = "sha256sum /etc/slurm/slurm.jwks /var/lib/gridmill/ledger/*.json"
SUBMIT = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
LOSE = """
systemctl stop slurmctld slurmdbd
rm -rf /etc/slurm/slurm.jwks /var/lib/slurm/slurmctld/* /var/lib/gridmill/ledger
mariadb -e 'DROP DATABASE slurm_acct_db'
"""


@pytest.fixture(scope="module")
def identity(site: SiteCopy) -> Path:
    """The private key, and its public half in the stack definition."""
    path = site.state / "identity.txt"
    subprocess.run(["age-keygen", "-o", str(path)], capture_output=True, check=True)
    public = subprocess.run(["age-keygen", "-y", str(path)], capture_output=True, text=True, check=True).stdout.strip()
    site.edit("    scheduler:\n", f"    backup: {{recipients: [{public}]}}\n    scheduler:\n")
    return path


def test_a_controller_that_lost_everything_gets_it_back(site: SiteCopy, controller: Host, identity: Path) -> None:
    site.pulumi("up", "--yes")
    assert controller.service("gridmill-backup.timer").is_running
    job = controller.check_output(f"{SUBMIT} --hold --gres=gpu:1 --wrap=true")
    made = json.loads(site.run(*GRIDMILL, "backup", "e2e", "--json").stdout)
    assert made["settled"] is True
    assert sorted(made["parts"]) == ["journal", "keys", "ledger", "slurm-state"]
    copy = Path(made["copy"])
    assert not any(b'"kid"' in path.read_bytes() for path in copy.iterdir())
    assert copy.stat().st_mode & 0o077 == 0
    books, digests = controller.check_output(ACCOUNTED), controller.check_output(DIGESTS)
    assert len(books.splitlines()) >= 2

    controller.check_output(LOSE)
    control = site.converge("control", "apply")
    assert control
    assert controller.check_output(ACCOUNTED) == ""
    assert controller.check_output("sha256sum /etc/slurm/slurm.jwks").split()[0] not in digests
    refused = site.run(*GRIDMILL, "restore", "e2e", "controller", check=False)
    assert refused.status == 1
    assert "0 jobs accounted, 0 queued or running, 0 pods in the ledger" in refused.text
    assert "--consent slurm" in refused.text

    consents = ("--consent", "keys", "--consent", "ledger", "--consent", "slurm")
    done = site.run(*GRIDMILL, "restore", "e2e", "controller", "--identity", str(identity), *consents)
    assert "are back" in done.text
    assert controller.check_output(ACCOUNTED) == books
    assert controller.check_output(DIGESTS) == digests
    assert controller.check_output(f"squeue --noheader --jobs={job} --format=%r") == "JobHeldUser"

    controller.check_output(f"scontrol release {job}")
    until = time.monotonic() + 90  # nodes register within seconds of a slurmctld that knows their key
    state = ""
    while state != "COMPLETED" and time.monotonic() < until:
        state = controller.check_output(f"sacct --noheader --parsable2 --allocations --jobs={job} --format=State")
    assert state == "COMPLETED", controller.check_output("sinfo --Node --long")
    later = int(controller.check_output(f"{SUBMIT} --hold --wrap=true"))
    assert later == int(job) + 1, "numbers of jobs go on"
    controller.check_output(f"scancel {later}")
    before = {node: site.lab("logs", node, "--lines", "100000").stdout.count("Accepted publickey") for node in GPUS}
    site.pulumi("up", "--yes")
    after = {node: site.lab("logs", node, "--lines", "100000").stdout.count("Accepted publickey") for node in GPUS}
    assert after == before, "by the ledger no node was converged again"


GPUS = [NODES[role][0] for role in ("gpu1", "gpu2")]


def test_a_cut_off_state_of_pulumi_comes_back(site: SiteCopy) -> None:
    state = site.state / "pulumi" / ".pulumi" / "stacks" / "gridmill" / "e2e.json"
    whole = state.read_bytes()
    state.write_bytes(whole[:1000])
    assert site.pulumi("preview", check=False).status != 0
    listed = json.loads(site.run(*GRIDMILL, "backups", "e2e", "--json").stdout)
    assert listed["pulumiState"][-1]["whole"] is True
    site.run(*GRIDMILL, "restore", "e2e", "pulumi-state")
    assert site.pulumi("preview").status == 0
    state.write_bytes(whole)
    site.pulumi("preview", "--expect-no-changes")
