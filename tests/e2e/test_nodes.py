"""Machines come, are worked on, and go: maintenance with a running job, a machine that is off, a pod that joins and leaves.

Shares the site with the other files here and leaves it as it was.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from typing import Any

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES, connect
from tests.e2e.site_copy import NAME, SiteCopy
from tests.e2e.watch import logins

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, GPU_2, GPU_B = (NODES[role][0] for role in ("gpu1", "gpu2", "gpu_b"))
TEXT = "PSU 3 replaced, ticket 118"
MAINTENANCE = f'        maintenance: {{r1/u9: "{TEXT}"}}\n'
POD_B = """      pod-b:
        like: pod-a
        budget: 11 kW
        machines: {r1/u1: {serial: EX-0001, mac: "02:00:5e:10:00:01"}}
        nodes:
          gpu: {at: [r1/u1]}
"""
FROM = "        from: 2027-04-01\n"
SUBMIT = "runuser --user gridmill-accept -- sbatch --parsable --account=gridmill --chdir=/ --output=/dev/null"


def status(site: SiteCopy) -> dict[str, Any]:
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "status", "e2e", "--json", check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def nodes(controller: Host) -> dict[str, str]:
    rows = controller.check_output("sinfo --noheader --Node --format='%N|%t'").splitlines()
    return dict(row.split("|") for row in rows)


def power_off(site: SiteCopy, node: str) -> None:
    """Shut a machine down and wait until it is."""
    site.lab("ssh", node, "sudo systemctl poweroff", check=False)
    for _ in range(30):
        machines = json.loads(site.lab("status", "--json", check=False).stdout)["machines"]
        if next(machine["state"] for machine in machines if machine["name"] == node) == "down":
            return
        time.sleep(1)
    raise AssertionError(f"{node} does not shut down")


def killed(site: SiteCopy, mark: str) -> None:
    """`pulumi up`, killed as soon as it says `mark`."""
    command = ["pulumi", "up", "--yes", "--stack", NAME, "--non-interactive"]
    with subprocess.Popen(
        command, cwd=site.directory, env=site.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if mark in line:
                break
        process.kill()
        process.stdout.close()


def test_a_planned_pod_changes_nothing(site: SiteCopy) -> None:
    connection = re.search(r"grid: \{connection: [^,]*,", site.stack_file.read_text(encoding="utf-8"))
    assert connection
    site.edit(connection[0], "grid: {connection: 400 kVA,")
    site.pulumi("up", "--yes")
    text = site.stack_file.read_text(encoding="utf-8")
    head, rest = text.split("    pods:\n")
    site.stack_file.write_text(
        f"{head}    pods:\n{POD_B.replace('        budget', f'{FROM}        budget')}{rest}", "utf-8"
    )
    done = site.pulumi("preview", "--diff")
    assert GPU_B not in done.stdout
    assert [pod["planned_from"] for pod in status(site)["pods"]] == ["", "2027-04-01"]


def test_maintenance_drains_with_its_reason_and_the_job_goes_on(site: SiteCopy, controller: Host) -> None:
    job = controller.check_output(f"{SUBMIT} --nodelist={GPU_2} --gres=gpu:1 --wrap='sleep 900'")
    before = logins(site, GPU_1, GPU_2)
    text = site.stack_file.read_text(encoding="utf-8")
    site.stack_file.write_text(text.replace("      pod-a:\n", f"      pod-a:\n{MAINTENANCE}"), "utf-8")
    site.pulumi("up", "--yes")
    assert logins(site, GPU_1, GPU_2) == before
    assert controller.check_output(f"squeue --noheader --jobs={job} --format=%T") == "RUNNING"
    assert controller.check_output(f"sinfo --noheader --nodes={GPU_2} --format='%t|%E'").startswith(f"drng|{TEXT}")
    node = next(node for node in status(site)["nodes"] if node["name"] == GPU_2)
    assert (node["maintenance"], node["problems"], node["working"]) == (TEXT, [], False)
    controller.check_output(f"scancel {job}")


def test_a_pod_joins_after_a_kill_while_a_machine_in_maintenance_is_off(site: SiteCopy, controller: Host) -> None:
    site.edit(FROM, "")
    site.lab("up")
    power_off(site, GPU_2)
    preflight = json.loads(
        site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "preflight", "e2e", "--json").stdout
    )
    assert preflight == {"ok": True, "machines": 4, "findings": [], "skipped": {GPU_2: f"maintenance: {TEXT}"}}
    killed(site, "pod-b: nvidia")
    locked = site.pulumi("up", "--yes", check=False)
    assert locked.status != 0
    assert "pulumi cancel" in locked.text
    site.pulumi("cancel", "--yes")
    site.pulumi("up", "--yes")
    assert nodes(controller)[GPU_B] == "idle"
    report = json.loads((site.state / "sites" / "e2e" / "reports" / "pod-b-apply.json").read_text(encoding="utf-8"))
    machine = next(check for check in report["hosts"][GPU_B]["checks"] if check["check"] == "machine")
    assert machine["found"] == "serial EX-0001, MAC 02:00:5e:10:00:01"


def test_back_from_maintenance_while_the_pod_leaves(site: SiteCopy, controller: Host) -> None:
    job = controller.check_output(f"{SUBMIT} --nodelist={GPU_B} --gres=gpu:1 --wrap='sleep 900'")
    site.lab("up")
    site.edit(MAINTENANCE, "")
    site.edit(POD_B, "")
    refused = site.pulumi("up", "--yes", check=False)
    assert refused.status != 0
    assert re.search(rf"{GPU_B} is drained; job {job} of gridmill-accept", refused.text), refused.text[-3000:]
    controller.check_output(f"scancel {job}")
    done = site.pulumi("up", "--yes")
    assert nodes(controller) == {GPU_1: "idle", GPU_2: "idle"}
    assert re.search(r"e2e-pod-b-converge\s+deleted", done.stdout), done.stdout[-3000:]
    assert connect(site, "gpu_b").service("slurmd").is_running is False
    assert status(site)["ok"] is True
    site.lab("up", "--prune")
