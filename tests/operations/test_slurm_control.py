"""What is asked of Slurm, exactly, and what its answers mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.document import Connection
from gridmill.operations.errors import OperationError
from gridmill.operations.slurm import control as slurm_control
from gridmill.operations.slurm.control import SlurmControl, parse_drained, parse_jobs


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    found: list[list[str]] = []

    def run(connection: Connection, name: str, address: str, words: list[str], **_: Any) -> str:
        found.append(words)
        return ""

    monkeypatch.setattr(slurm_control, "run_as_root", run)
    return found


@pytest.fixture
def control() -> SlurmControl:
    return SlurmControl(Connection("root", Path("/k"), Path("/h"), False), "ctl", "192.0.2.1")


def test_what_is_told(asked: list[list[str]], control: SlurmControl) -> None:
    control.drain(["n-u01", "n-u09"], "a reason; with words")
    control.resume(["n-u01"])
    control.requeue(["12", "9", "12"])
    control.drain([], "x")
    control.requeue([])
    assert asked == [
        ["scontrol", "update", "NodeName=n-u[01,09]", "State=DRAIN", "Reason=a reason; with words"],
        ["scontrol", "update", "NodeName=n-u01", "State=UNDRAIN"],
        ["sh", "-c", "scontrol requeue 9 || echo kept 9; scontrol requeue 12 || echo kept 12"],
    ]


def test_drained_nodes() -> None:
    text = "a|idle|none\nb|drained*|changed by Gridmill\nc|draining|fan [root@2026-11-22T10:00:00]\nd|down|drained?\n"
    assert parse_drained(text) == {"b": "changed by Gridmill", "c": "fan"}
    with pytest.raises(OperationError):
        parse_drained("slurm_load_node: error\n")


def test_jobs_by_node() -> None:
    text = "7|n-u[01,09]\n8|n-u09\n9|m-u01\n10|\n"
    assert parse_jobs(text, {"n-u01", "n-u09"}) == {"n-u01": ["7"], "n-u09": ["7", "8"]}
