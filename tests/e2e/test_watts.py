"""Slurm holds the connection: real jobs wait for watts, nobody gets around them, jobs from before get theirs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from testinfra.host import Host

from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

SUBMIT = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"
SLEEP = "--wrap='sleep 300'"
TOTAL_W, NODE_W = 9200, 7800
"""19 kW at the meter / PUE 1.25 - 6 kW without any job; 9.8 kW of a node at its cap, less 2 kW idle."""
SITE = ("pue: 1.25}", "pue: 1.25, contract: {firm: 19 kW}}")
POWER = ("      plan: n-1 ", "      scheduled: true\n      plan: n-1 ")


def told(controller: Host, job: str, what: str) -> str:
    answer: str = controller.check_output(f"squeue --noheader --jobs={job} --format='{what}'").strip()
    return answer


def until(controller: Host, job: str, wanted: str) -> None:
    found = ""
    for _ in range(60):
        found = told(controller, job, "%T %r")
        if found == wanted:
            return
        time.sleep(0.5)
    raise AssertionError(f"job {job} is {found}, not {wanted}")


@pytest.fixture(scope="module")
def from_before(site: SiteCopy, controller: Host) -> Iterator[str]:
    """A job that ran already when Slurm got to know the power; the site is put back at the end."""
    job = controller.check_output(f"{SUBMIT} --gres=gpu:2 {SLEEP}")
    until(controller, job, "RUNNING None")
    for old, new in (SITE, POWER):
        site.edit(old, new)
    try:
        predicted = site.converge("control", "check")
        assert site.converge("control", "apply") == predicted
        yield job
    finally:
        controller.check_output("scancel --user=gridmill-accept")
        for old, new in (SITE, POWER):
            site.edit(new, old)
        site.converge("control", "apply")


def test_a_job_from_before_runs_on_and_holds_its_watts(from_before: str, controller: Host) -> None:
    assert (
        told(controller, from_before, "%T %W") == f"RUNNING watts:{NODE_W // 2}"
    )  # one of two CPUs outweighs two GPUs
    controller.check_output(f"scancel {from_before}")


def test_a_job_beyond_the_budget_waits_and_starts_when_watts_are_free(
    from_before: str, controller: Host, site: SiteCopy
) -> None:
    controller.run(f"scancel {from_before}")
    first = controller.check_output(f"{SUBMIT} --exclusive --nodes=1 {SLEEP}")
    until(controller, first, "RUNNING None")
    second = controller.check_output(f"{SUBMIT} --gres=gpu:8 --nodes=1 --licenses=watts:1 --exclusive {SLEEP}")
    until(controller, second, "PENDING Licenses")  # a node is free, its watts are not
    assert told(controller, second, "%W") == f"watts:{NODE_W}"
    status = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "status", NAME, "--json", check=False)
    jobs = json.loads(status.stdout)["power"]["jobs"]
    assert jobs == {
        "total_w": TOTAL_W,
        "slurm_total_w": TOTAL_W,
        "reserved_w": NODE_W,
        "free_w": TOTAL_W - NODE_W,
    }
    for user in ("gridmill-accept", "root"):
        for change in ("Licenses=watts:1", "Licenses="):
            controller.run(f"runuser --user {user} -- scontrol update JobId={second} {change}")
            assert told(controller, second, "%W") == f"watts:{NODE_W}"
        refused = controller.run(f"runuser --user {user} -- scontrol update JobId={second} OverSubscribe=YES")
        assert "submit it anew" in refused.stderr
    controller.check_output(f"scancel {first}")
    until(controller, second, "RUNNING None")
    controller.run(f"runuser --user gridmill-accept -- scontrol update JobId={second} Licenses=")
    assert told(controller, second, "%W") == f"watts:{NODE_W}"
    accounted = f"sacct --noheader --allocations --jobs={second} --format=AllocTRES%200"
    assert f"license/watts={NODE_W}" in controller.check_output(accounted)


def test_a_job_that_could_never_start_is_refused(from_before: str, controller: Host) -> None:
    del from_before
    refused = controller.run(f"{SUBMIT} --exclusive --nodes=2 {SLEEP}")
    assert refused.rc != 0
    assert "this job can draw 15.6 kW above idle (on up to 2 nodes), and the site has 9.2 kW" in refused.stderr
