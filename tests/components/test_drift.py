"""Drift as an input: the word that a phase gets, when machines are asked, and what a preview says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import drift
from components.drift import HandChanges
from gridmill.kernel.site_plan import SitePlan
from tests.components.test_host_preview import said

__all__ = ["said"]

FOUND = {
    "at": "2026-11-22T09:00:00Z",
    "hosts": {
        "pod-a-r1-u01": {"pod-a": ["file /etc/hosts: other content", "unit chrony: is not running"]},
        "pod-a-r1-u09": {"pod-a": ["package x: is not held"], "storage": ["file /x: gone"]},
    },
    "unseen": {"pod-a-r1-u38": "unreachable: dead", "pod-a-r1-u40": "unreachable: dead"},
    "complaint": "",
}


def changes(plan: SitePlan, *, checked: bool = True) -> Any:
    from dataclasses import replace  # noqa: PLC0415

    return replace(plan.changes, checks_drift=checked)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were started, and answered with FOUND."""
    commands: list[list[str]] = []

    def start(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command[1:])
        return subprocess.CompletedProcess(command, 0, json.dumps(FOUND), "")

    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.delenv("GRIDMILL_PREVIEW", raising=False)
    monkeypatch.delenv(drift.GIVEN, raising=False)
    return commands


def look(plan: SitePlan, monkeypatch: pytest.MonkeyPatch, *, dry: bool, checked: bool = True) -> HandChanges:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: dry)
    return HandChanges.of("lab", changes(plan, checked=checked))


def test_the_input_of_a_phase(
    lab_plan: SitePlan, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    found = look(lab_plan, monkeypatch, dry=True)
    assert found.input_of("pod-a") == "2026-11-22T09:00:00Z pod-a-r1-u[01,09]"
    assert found.input_of("storage") == "2026-11-22T09:00:00Z pod-a-r1-u09"
    assert found.input_of("control") == ""
    assert asked == [["-m", "gridmill.operations.preview.hand_changes", "lab", "--within", "120.0", "--fresh"]]
    assert said == [
        ("warn", "not as the last run left it; an update puts it back:\n"
         "  pod-a-r1-u01  pod-a: file /etc/hosts: other content\n  pod-a-r1-u01  pod-a: unit chrony: is not running\n"
         "  pod-a-r1-u09  pod-a: package x: is not held\n  pod-a-r1-u09  storage: file /x: gone"),
        ("info", "drift is not known of 2 machines pod-a-r1-u[38,40]: unreachable: dead"),
    ]  # fmt: skip


def test_an_update_repeats_nothing(
    lab_plan: SitePlan, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    assert look(lab_plan, monkeypatch, dry=False).hosts == FOUND["hosts"]
    assert "--fresh" not in asked[0] and said == []


def test_who_does_not_want_it_is_not_asked(
    lab_plan: SitePlan, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    said: list[tuple[str, str]],
) -> None:  # fmt: skip
    assert look(lab_plan, monkeypatch, dry=False, checked=False) == HandChanges()
    assert look(lab_plan, monkeypatch, dry=True, checked=False) == HandChanges()
    monkeypatch.setenv("GRIDMILL_PREVIEW", "plan")
    assert look(lab_plan, monkeypatch, dry=True) == HandChanges()
    assert asked == []
    assert said == [
        ("info", "drift was not looked for: changes.drift is not `check`; `gridmill drift lab` does"),
        ("info", "drift was not looked for: GRIDMILL_PREVIEW is plan; `gridmill drift lab` does"),
    ]
    monkeypatch.setenv(drift.GIVEN, str(tmp_path))
    assert look(lab_plan, monkeypatch, dry=True).at and len(asked) == 1, "what is known needs no machine"


@pytest.mark.parametrize(
    ("output", "errors", "complaint"), [("", "a\nno such module", "no such module"), ("", "", "status 7")]
)
def test_a_command_that_fails_fails_no_preview(
    lab_plan: SitePlan, monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]], output: str, errors: str,
    complaint: str,
) -> None:  # fmt: skip
    done = subprocess.CompletedProcess([], 7, output, errors)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert look(lab_plan, monkeypatch, dry=True).input_of("pod-a") == ""
    assert said == [("warn", f"drift is not known: {complaint}")]
