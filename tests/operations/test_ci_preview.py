"""The report for a merge request: what it says, when it asks for approval, and that it can be put into a comment."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import cli
from gridmill.operations.preview import ci_preview
from gridmill.operations.preview.ci_preview import report_of
from gridmill.report.change import markdown, page
from tests.conftest import ROOT

HOST: dict[str, Any] = {
    "impact": "reconfigure",
    "changes": [
        {"role": "base", "task": "Write /etc/hosts", "what": ["file /etc/hosts"], "impact": "live", "why": "w"},
        {"role": "slurm_compute", "task": "Start slurmd", "what": ["unit restart slurmd"], "impact": "reconfigure",
         "why": "slurmd is restarted"},
    ],
    "failures": [],
}  # fmt: skip
PHASE: dict[str, Any] = {
    "schema": "gridmill.dry_run/v1", "scope": "pod-a", "impact": "reconfigure",
    "hosts": {"pod-a-r1-u01": HOST, "pod-a-r1-u09": HOST}, "added": [], "leaving": [], "unchanged": ["pod-a-r1-u38"],
    "maintenance": {}, "unreached": {}, "unfinished": [], "complaint": "", "jobs": [], "jobsUnknown": "",
    "waited": 0.0, "seconds": 3.0, "text": [],
}  # fmt: skip
HELD = {"machines": {"p": {"s": ["n[1-8]"]}}, "workers": ["n[1-8]"], "data": {}, "largest_loss": 25.0, "consent": {}}


def step(kind: str, name: str, before: dict[str, Any], after: dict[str, Any], **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:lab::gridmill::gridmill:index:Site${kind}::{name}"
    return {"op": "update", "urn": urn, "oldState": {"inputs": before}, "newState": {"inputs": after}, **more}


COMMAND = step(
    "command:local:Command", "lab-pod-a-converge", {"stdin": "{}", "environment": "[secret]"}, {"stdin": '{"scope": "pod-a"}', "environment": "[secret]"},
)  # fmt: skip
LEVELS = {"meter": {"planned_w": 28000.0, "margin_w": 13464.0}, "feeds": {}}
POWER = step(
    "gridmill:index:SitePower", "lab-power",
    {**LEVELS, "pods": {"pod-a": {"planned_w": 22400.0, "margin_w": 1600.0}}},
    {**LEVELS, "pods": {"pod-a": {"planned_w": 12200.0, "margin_w": 11800.0}}},
)  # fmt: skip


def report(plan: SitePlan, allowed: str = "live", **more: Any) -> dict[str, Any]:
    phase = {**PHASE, **more.pop("phase", {})}
    return report_of(plan, more.get("steps", [COMMAND]), [phase], more.get("problems", []), allowed)


def test_what_is_allowed_needs_no_approval(lab_plan: SitePlan) -> None:
    assert report(lab_plan, "reconfigure")["verdict"] == "ok"
    found = report(lab_plan)
    assert (found["verdict"], found["reasons"]) == (
        "approval", ["impact reconfigure, allowed without approval is live"]
    )  # fmt: skip
    assert report_of(lab_plan, [], [], [], "none")["verdict"] == "ok"


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        ({"unreached": {"n1": "no answer"}}, "n1 was not asked: no answer"),
        ({"unfinished": ["n1"]}, "n1 was not asked completely: the time limit was up"),
        ({"complaint": "no machine was asked: x"}, "pod-a: no machine was asked: x"),
        ({"jobsUnknown": "c: squeue"}, "running jobs are not known: c: squeue"),
        ({"scope": "other"}, "pod-a: no machine was asked"),
    ],
)
def test_what_nobody_knows_needs_approval(lab_plan: SitePlan, phase: dict[str, Any], reason: str) -> None:
    found = report(lab_plan, "reconfigure", phase=phase)
    assert (found["verdict"], found["reasons"]) == ("approval", [reason])


def test_what_would_fail_is_a_problem(lab_plan: SitePlan) -> None:
    failing = {"hosts": {"n1": {**HOST, "failures": ["base : x: no"]}}}
    found = report(lab_plan, "data at risk", phase=failing)
    assert (found["verdict"], found["reasons"]) == ("problem", ["n1 would fail: base : x: no"])
    assert report(lab_plan, "data at risk", problems=["over budget"])["verdict"] == "problem"
    less = step("gridmill:index:Site", "lab", HELD, {**HELD, "workers": ["n[1-4]"]})
    less["urn"] = "urn:pulumi:lab::gridmill::gridmill:index:Site::lab"
    found = report(lab_plan, "data at risk", steps=[less, COMMAND])
    assert (found["verdict"], found["reasons"]) == ("problem", ["consent is missing: loss of 4 nodes"])


def test_power_and_resources_before_and_after(lab_plan: SitePlan) -> None:
    found = report(lab_plan, steps=[POWER, COMMAND])
    assert found["power"] == [{"what": "pod-a", "before": 22400.0, "after": 12200.0, "margin": 11800.0}]
    assert found["resources"][1] == {
        "op": "update", "type": "command:local:Command", "name": "lab-pod-a-converge", "inputs": ["stdin"]
    }  # fmt: skip
    text = markdown(found)
    assert "| pod-a | 22.4 kW | 12.2 kW | 11.8 kW |" in text
    assert '<td class="n">11.8 kW</td>' in page(found)


def test_the_comment(lab_plan: SitePlan) -> None:
    text = markdown(report(lab_plan))
    assert text.splitlines()[:3] == ["<!-- gridmill-preview: lab -->", "## Preview of lab", ""]
    assert "*simulated site*" in text and "**Needs approval.**" in text
    assert "<summary>2 machines pod-a-r1-u[01,09]: 2 changes, reconfigure (reconfigure: slurmd is restarted)" in text
    assert text.count("<details>") == text.count("</details>") == 2
    assert "units: restart slurmd" in text


def test_no_text_gets_out_of_its_place(lab_plan: SitePlan) -> None:
    evil = "</details> <script>alert(1)</script> @everyone `x` ````"
    change = {**HOST["changes"][0], "what": [evil], "why": evil, "impact": "drain"}
    hosts = {"n1": {**HOST, "changes": [change], "impact": "drain"}}
    job = {"job": "1", "user": evil, "partition": "p", "elapsed": "1", "state": "running", "nodes": "n1"}
    found = report(lab_plan, phase={"hosts": hosts, "unreached": {"n2": evil}, "jobs": [job]})
    text = markdown(found)
    fenced = False
    for line in text.splitlines():
        fenced = not fenced if line.startswith("`````") else fenced
        if not fenced:
            assert "<script>" not in line and "@everyone" not in line, line
    assert "<script>" not in page(found)


def test_the_documented_schema(lab_plan: SitePlan) -> None:
    """Every key of a report stands in docs/reference/preview.md."""
    words = set(re.findall("`([A-Za-z]+)`", (ROOT / "docs" / "reference" / "preview.md").read_text(encoding="utf-8")))
    found = report(lab_plan, steps=[COMMAND, POWER])
    keys = set(found) | set(PHASE) | set(HOST) | set(HOST["changes"][0]) | set(found["resources"][0])
    keys |= set(found["power"][0]) | {"replaced", "impact", "what", "nodes", "consent", "given"}
    keys |= {"job", "user", "partition", "elapsed", "state"}
    assert keys - words == set()
    assert set(ci_preview.EMPTY) == set(found)


PULUMI = """#!/bin/sh
[ "$*" = "preview --json --stack lab --non-interactive" ] || exit 9
[ -z "$FAIL" ] || { echo '{"diagnostics": [{"severity": "error", "message": "no such thing"}]}'; exit 255; }
cp "$PHASE_FILE" "$GRIDMILL_PREVIEW_REPORT/pod-a.json"
cat "$STEPS_FILE"
"""


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(PULUMI, encoding="utf-8")
    pulumi.chmod(stat.S_IRWXU)
    for name, data in (("PHASE_FILE", PHASE), ("STEPS_FILE", {"steps": [COMMAND]})):
        (tmp_path / name).write_text(json.dumps(data), encoding="utf-8")
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    files = ["--html", str(tmp_path / "p.html"), "--markdown", str(tmp_path / "p.md")]
    assert cli.main(["ci", "preview", "lab", *files]) == 2
    printed = capsys.readouterr().out
    assert printed == (tmp_path / "p.md").read_text(encoding="utf-8")
    assert "<h2>pod-a: 2 machines would change" in (tmp_path / "p.html").read_text(encoding="utf-8")
    assert cli.main(["ci", "preview", "lab", "--allow", "reconfigure", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["phases"] == [PHASE]
    monkeypatch.setenv("FAIL", "1")
    assert cli.main(["ci", "preview", "lab"]) == 1
    assert "no such thing" in capsys.readouterr().out


def test_a_bad_definition_is_a_comment_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "Pulumi.bad.yaml"
    bad.write_text("config: {gridmill:site: {name: bad}}", encoding="utf-8")
    assert cli.main(["ci", "preview", str(bad)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("<!-- gridmill-preview: bad -->") and "**Does not work as it is.**" in printed
    assert "schemaVersion" in printed
