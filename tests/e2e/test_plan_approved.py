"""What was approved is what runs: a plan of the virtual site is made, refused where something moved, and applied once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.faults import change, key_comment
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1 = NODES["gpu1"][0]
FILE = "/etc/security/limits.d/90-gridmill.conf"
"""A file of ours that no unit is told to read again, so that putting its content back puts everything back."""
GRIDMILL = (".venv/bin/python", "-m", "gridmill.operations.cli")


@pytest.fixture(scope="module")
def plan(site: SiteCopy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan that gives an administrator another key, made with all machines asked."""
    mark = change(site)
    path = tmp_path_factory.mktemp("approved") / "plan.json"
    done = site.run(
        "env", "GRIDMILL_PREVIEW=hosts", *GRIDMILL, "ci", "preview", NAME, "--plan", str(path), "--json", check=False
    )
    found = json.loads(done.stdout)
    assert found["verdict"] in {"ok", "approval"} and found["problems"] == [], done.text
    assert {phase["scope"] for phase in found["phases"]} >= {"control", "pod-a"}, done.text
    path.with_suffix(".mark").write_text(mark, encoding="utf-8")
    return path


def applied(site: SiteCopy, plan: Path) -> tuple[int, dict[str, Any], str]:
    """Exit status, what `gridmill apply` says to programs, and all of its text."""
    done = site.run("env", "GRIDMILL_PREVIEW=hosts", *GRIDMILL, "apply", str(plan), "--json", check=False)
    return done.status, json.loads(done.stdout), done.text


def test_a_hand_edit_since_then_is_refused_by_machine_and_file(site: SiteCopy, plan: Path, gpu1: Host) -> None:
    gpu1.check_output(f"cp -p {FILE} /root/kept && echo '# by hand' >> {FILE}")
    status, answer, text = applied(site, plan)
    gpu1.check_output(f"cat /root/kept > {FILE}")
    assert status == 2, text[-3000:]
    assert GPU_1 in json.dumps(answer) and FILE in json.dumps(answer), text[-3000:]
    assert key_comment(site, GPU_1) != plan.with_suffix(".mark").read_text(encoding="utf-8"), "nothing was done"


def test_what_was_approved_runs_and_the_journal_names_the_plan(site: SiteCopy, plan: Path) -> None:
    status, answer, text = applied(site, plan)
    assert (status, answer["result"]) == (0, "applied"), text[-3000:]
    assert key_comment(site, GPU_1) == plan.with_suffix(".mark").read_text(encoding="utf-8")
    journal = site.run(*GRIDMILL, "journal", NAME).stdout
    digest: str = json.loads(plan.read_text(encoding="utf-8"))["digest"]
    assert digest[:12] in journal, journal[-3000:]
    site.pulumi("preview", "--expect-no-changes")


def test_a_plan_is_good_once(site: SiteCopy, plan: Path) -> None:
    status, answer, text = applied(site, plan)
    assert status == 2, text[-3000:]
    assert "resource" in json.dumps(answer) and "journal" in json.dumps(answer), text[-3000:]
