"""A pod's phase over nodes that run jobs: at once what they don't notice, in waves what would affect them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridmill.operations.directories import state_directory
from gridmill.operations.record.ledger import Entry
from gridmill.operations.run import rollout
from gridmill.operations.run.rollout import FAILED, REASON
from tests.operations.test_ledger import NODES, Runs, apply, data, runs

__all__ = ["data", "runs"]

GPUS = ["pod-a-r1-u01", "pod-a-r1-u09"]
DRIVER = "nvidia : See whether the kernel has loaded this driver"
OTHER = {"nvidia_driver_version": "560.35"}


@pytest.fixture
def serving(data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> dict[str, Any]:
    """A pod that was converged; its GPU nodes are about to get another driver."""
    monkeypatch.setattr(rollout, "POLL_S", 0.0)
    assert apply(data, monkeypatch) == 0
    assert runs.played == [("roles", NODES)], "machines that were never converged run no jobs"
    runs.played.clear()
    data["groups"]["gpu"]["vars"] |= OTHER
    data["rollout"]["wait_s"] = 0
    capsys.readouterr()
    return data


def test_what_would_affect_jobs_goes_in_waves(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    assert apply(serving, monkeypatch) == 0
    assert runs.played == [("roles --check", GPUS), ("roles", GPUS[:1]), ("roles", GPUS[1:])]
    assert runs.held == {}
    assert apply(serving, monkeypatch) == 0
    assert len(runs.played) == 3, "the ledger knows both"


def test_what_jobs_do_not_notice_goes_at_once(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.predicted = {name: ["nvidia : Configure the persistence daemon"] for name in GPUS}
    runs.working = {GPUS[0]: ["7"]}
    assert apply(serving, monkeypatch) == 0
    assert runs.played == [("roles --check", GPUS), ("roles", GPUS)]


def test_a_node_with_a_job_waits_and_the_same_command_goes_on(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    runs.working = {GPUS[0]: ["7"]}
    assert apply(serving, monkeypatch) == 1
    said = capsys.readouterr().err
    assert f"{GPUS[0]}: job 7 runs there; it is drained" in said
    assert runs.held == {GPUS[0]: REASON}
    assert ("roles", GPUS[:1]) not in runs.played and ("roles", GPUS[1:]) in runs.played
    runs.working = {}
    assert apply(serving, monkeypatch) == 0
    assert runs.held == {}


def test_it_stops_at_the_first_failure_and_says_who_is_left(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    real = runs.play

    def play(playbook: str, data: dict[str, Any], secrets: dict[str, str], **options: Any) -> int:
        runs.bad = set() if options["check"] else {GPUS[0]}
        return real(playbook, data, secrets, **options)

    monkeypatch.setattr("gridmill.operations.run.phase.run_playbook", play)
    assert apply(serving, monkeypatch) == 1
    assert runs.held == {GPUS[0]: FAILED}
    assert f"{GPUS[1]}: not begun: {GPUS[0]} failed, and the stack allows 0 failed nodes" in capsys.readouterr().err
    assert runs.entries[GPUS[0]].digest == "" and runs.entries[GPUS[1]].digest != ""


def test_a_run_that_is_stopped_while_it_asks_changes_nothing(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def stopped(*_: object, **options: Any) -> int:
        asked.append(options["check"])
        return -15

    monkeypatch.setattr("gridmill.operations.run.phase.run_playbook", stopped)
    assert apply(serving, monkeypatch) == 2
    assert asked == [True]


def test_a_restart_that_is_due_is_made(serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    runs.due = {GPUS[1]}
    assert apply(serving, monkeypatch) == 0
    assert runs.restarted == [GPUS[1]]
    assert [names for _, names in runs.played] == [GPUS, GPUS[:1], GPUS[1:], GPUS[1:]]


def test_what_a_killed_rollout_left_is_finished(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in the middle of its change, and one that was done and not yet taken back."""
    runs.held = {GPUS[0]: REASON, GPUS[1]: REASON}
    serving["groups"]["gpu"]["vars"] = {k: v for k, v in serving["groups"]["gpu"]["vars"].items() if k not in OTHER}
    serving["groups"]["gpu"]["vars"]["nvidia_driver_version"] = "550.163.01"
    runs.entries[GPUS[0]] = Entry("198.18.4.65")
    assert apply(serving, monkeypatch) == 0
    assert runs.played == [("roles", GPUS[:1])]
    assert runs.held == {}


def test_outside_of_the_windows_nothing_is_taken_from_jobs(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    monkeypatch.setattr("gridmill.operations.run.pod_rollout.closed", lambda windows, now: "outside" if windows else "")
    serving["rollout"]["windows"] = ["Sat 02:00-06:00"]
    assert apply(serving, monkeypatch) == 1
    assert f"{GPUS[0]}: not begun: outside" in capsys.readouterr().err
    assert runs.held == {} and runs.played == [("roles --check", GPUS)]


def test_the_report_names_what_was_put_off(
    serving: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.predicted = {name: [DRIVER] for name in GPUS}
    runs.working = {GPUS[0]: ["7"]}
    apply(serving, monkeypatch)
    report = json.loads((state_directory() / "sites" / "lab" / "reports" / "pod-a-apply.json").read_text())
    assert report["ok"] is False and list(report["unfinished"]) == GPUS[:1]
