"""Machines that boot at once: what one of them missed of another is started again, a few times."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gridmill.lab import readiness
from gridmill.lab.progress import Progress
from gridmill.lab.site import LabSite
from tests.lab_offline.test_machines import GPU_HOST, PLAIN_HOST

FAILED = "degraded\nscratch.mount\n"


def site(answers: dict[str, list[str]], asked: list[str]) -> LabSite:
    """A site whose machines answer this, one after another."""

    def run(address: str, command: str, *, timeout: float) -> subprocess.CompletedProcess[str]:
        assert timeout > 0
        asked.append(f"{address} {'starts' if 'start $units' in command else 'waits'}")
        return subprocess.CompletedProcess([], 0, answers[address].pop(0), "")

    made: Any = SimpleNamespace(
        machine=lambda name: None, access=SimpleNamespace(run=run), progress=Progress(), paths=None
    )
    return cast("LabSite", made)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "wait_for_port", lambda address, seconds, runs: True)
    monkeypatch.setattr(readiness, "_PAUSE_SECONDS", 0)


def test_what_failed_beside_others_is_started_again(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    answers = {GPU_HOST.address: [FAILED, "scratch.mount\n", ""], PLAIN_HOST.address: ["running\n"]}
    readiness.make_ready(site(answers, asked), [GPU_HOST, PLAIN_HOST])
    assert sorted(asked) == sorted(
        [f"{GPU_HOST.address} waits", *[f"{GPU_HOST.address} starts"] * 2, f"{PLAIN_HOST.address} waits"]
    )
    assert "systemd degraded, failed: scratch.mount" in (said := capsys.readouterr().err)
    assert f"{GPU_HOST.name}: what had failed was started again" in said and "still" not in said


def test_what_fails_for_good_is_named_and_a_machine_alone_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[str] = []
    answers = {GPU_HOST.address: [FAILED, *["scratch.mount\n"] * 4], PLAIN_HOST.address: ["running\n"]}
    readiness.make_ready(site(answers, asked), [GPU_HOST, PLAIN_HOST])
    assert f"{GPU_HOST.name}: still failed: scratch.mount" in capsys.readouterr().err
    asked.clear()
    readiness.make_ready(site({GPU_HOST.address: [FAILED]}, asked), [GPU_HOST])
    assert asked == [f"{GPU_HOST.address} waits"]
