"""The `gridmill` command: what it prints for people and for machines."""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations import cli
from gridmill.operations.cli import main, parser
from tests.conftest import ROOT


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_validate(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "validate", "lab") == (0, "lab: ok, 4 nodes\n", "")


def test_problems_for_people_and_machines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text(text.replace("24 kW", "24 KW").replace("schemaVersion: 2", "schemaVersion: 3"), encoding="utf-8")
    status, out, err = run(capsys, "validate", str(path))
    assert (status, out) == (1, "")
    assert err.startswith("2 problems in the stack definition\nPulumi.x.yaml:5: schemaVersion: `3` is not valid\n")
    status, out, err = run(capsys, "plan", str(path), "--json")
    assert (status, err) == (1, "")
    problems = json.loads(out)["problems"]
    line = text[: text.index("24 kW")].count("\n") + 1
    assert [problem["line"] for problem in problems] == [5, line]
    assert problems[1] == {
        "path": "pods.pod-a.budget",
        "message": "24 KW is not a quantity",
        "expected": "a power such as 30 kW, 700 W or 1.2 MW",
        "hint": "write 24 kW",
        "file": "Pulumi.x.yaml",
        "line": line,
    }


def test_plan_says_simulated_and_kilowatts(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "plan", "lab")
    assert status == 0
    assert "Site lab, lab.gridmill.test, simulated" in out
    assert "pod-a-r1-u01  198.18.4.65   2001:2:0:1::1:1   sim-dgx-h100  compute           8 simulated h100" in out
    assert "pod-a     198.18.4.0/22, 2001:2:0:1::/64" in out
    assert "time      the controllers' own clock" in out
    assert "home     /shared/home  moosefs of store  homes   control,gpu" in out
    assert "meter (PUE 1.25)  27 kW      33.171 kW  6.171 kW" in out


def test_plan_for_machines_is_the_whole_plan(capsys: pytest.CaptureFixture[str]) -> None:
    plan: dict[str, Any] = json.loads(run(capsys, "plan", "lab", "--json")[1])
    assert plan["pods"][0]["hosts"][0]["gpu"]["power_max_w"] == 700


def test_document_of_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, "document", "lab", "pod-a")[1])["scope"] == "pod-a"
    assert run(capsys, "document", "lab", "pod-b") == (
        1,
        "",
        "unknown phase pod-b; one of storage, control, pod-a, exports, acceptance\n",
    )


ASKING = [
    ["journal", "lab"],
    ["drift", "lab"],
    ["rollout", "lab", "pause"],
    ["backup", "lab"],
    ["backups", "lab"],
    ["restore", "lab", "controller"],
    ["power", "lab", "--measured"],
]
"""Commands that ask machines."""
COMMANDS = [
    *ASKING,
    ["document", "lab", "nosuch"],
    ["power", "lab", "--at", "2030-01-01", "--measured"],
    ["ci", "preview", "lab", "--plan", "PLACE/plan.json"],
    ["apply", "PLACE/none.json"],
    ["explain", "lab", "nosuch"],
    ["forget", "lab"],
    ["migrate", "nosuch"],
    ["policy", "lab", "--config", "PLACE/none.json"],
    ["size", "--system", "nosuch", "--nodes", "1"],
    ["migrate", "PLACE/Pulumi.none.yaml"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_fails_says_why_as_json(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    status, out, err = run(capsys, *(word.replace("PLACE", str(tmp_path)) for word in command), "--json")
    found = json.loads(out)
    assert status != 0
    assert (found["ok"], bool(found["error"])) == (False, True)
    assert err == ""
    if command in ASKING:
        assert "id_ed25519: missing (access.bootstrap.identityFile)" in found["error"]
    if command[0] == "ci":
        assert "gridmill engine env --stack lab" in found["error"], "no stack gets the passphrase of another"


def test_every_command_with_json_is_among_those_that_fail() -> None:
    """One that is new is to be put there, or here with the reason why it says more than that."""
    say_it_themselves = {"preflight", "status", "validate", "plan", "growth", "inventory"}
    subparsers = parser()._subparsers
    assert subparsers
    (action,) = subparsers._group_actions
    choices: dict[str, argparse.ArgumentParser] = dict(action.choices or {})
    with_json = {name for name, one in choices.items() if "--json" in one.format_usage()}
    assert with_json == say_it_themselves | {command[0] for command in COMMANDS}


def test_without_files_to_connect_with_nobody_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("somebody was asked"))
    for command in ASKING:
        status, out, err = run(capsys, *command)
        assert status == (2 if command[0] == "drift" else 1)
        assert "id_ed25519: missing" in out + err and "known_hosts: missing" in out + err


def test_the_schema_knows_every_key_of_the_lab(capsys: pytest.CaptureFixture[str]) -> None:
    schema = json.loads(run(capsys, "schema")[1])
    site = schema["properties"]["config"]["properties"]["gridmill:site"]
    assert site["additionalProperties"] is False
    assert set(site["required"]) >= {"schemaVersion", "pods", "grid", "network", "access", "software", "scheduler"}
    assert schema["$defs"]["Pod"]["properties"]["budget"]["type"] == "string"


def test_the_summary_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    summary = {
        "schemaVersion": 1,
        "site": "lab",
        "simulated": True,
        "domain": "lab.gridmill.test",
        "controller": "pod-a-r1-u40.lab.gridmill.test",
        "pods": {"pod-a": {"nodes": 4, "gpus": 16, "power": {"budgetW": 24000, "nameplateW": 22400}}},
        "power": {"nameplateW": 22400, "meterW": 28000, "gridLimitW": 41464},
        "acceptance": {
            "ok": False,
            "jobs": {
                "pod-a-r1-u40": {
                    "jobs": [{"job": "7", "name": "a", "node": "n1", "gpus": "2", "state": "FAILED", "seconds": "3"}]
                }
            },
        },
    }
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(summary)))
    status, out, _ = run(capsys, "summary")
    assert status == 0
    assert out.splitlines()[0] == "Site lab, lab.gridmill.test: simulated"
    assert "acceptance: NOT OK" in out
    assert "  a (7) on n1: 2 GPUs, FAILED after 3 s" in out


def test_a_copy_that_kept_the_name_of_another_site_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "Pulumi.lab.yaml", tmp_path / "Pulumi.foo.yaml")
    shutil.copytree(ROOT / "inventories" / "lab", tmp_path / "inventories" / "lab")
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    (tmp_path / "inventories" / "lab" / "skus" / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "inventories" / "lab" / "skus" / "deep")
    status, _, err = run(capsys, "validate", "foo")
    assert status == 1
    assert "Pulumi.foo.yaml:6: name: lab is not the site of Pulumi.foo.yaml" in err
    assert "fix: write `name: foo`" in err


@pytest.mark.parametrize("text", ["x", "{}", "[]"])
def test_what_is_no_summary_is_said(
    text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    status, out, err = run(capsys, "summary")
    assert (status, out) == (1, "")
    assert err.startswith("standard input is not the summary of a stack")


def test_a_diagram_that_cannot_be_written_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "none" / "power.svg"
    status, _, err = run(capsys, "power", "lab", "--svg", str(file))
    assert (status, err) == (1, f"{file}: No such file or directory\n")


@pytest.mark.parametrize(
    ("ends", "status", "told"),
    [(KeyboardInterrupt(), 130, "interrupted\n"), (BrokenPipeError(32, "Broken pipe"), 0, "")],
)
def test_a_command_that_somebody_ends_says_little(
    ends: BaseException, status: int, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(stack: str) -> None:
        raise ends

    monkeypatch.setattr(cli, "_to_look", ended)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1)
    assert cli.main(["plan", "lab"]) == status
    assert capsys.readouterr().err == told
