"""Restarts: a machine is back when another boot answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.document import Connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts import reboots

CONNECTION = Connection("root", Path("/k"), Path("/h"), False)


class Fleet:
    """Machines that are away for some looks after a restart."""

    def __init__(self, away: dict[str, int]) -> None:
        self.away = away
        self.boots = dict.fromkeys(away, 1)
        self.missing: dict[str, int] = {}
        self.asked: list[str] = []

    def run(self, connection: Connection, name: str, address: str, words: list[str], **_: Any) -> str:
        if self.missing.get(name, 0):
            self.missing[name] -= 1
            raise OperationError(f"{name}: no route")
        if words == reboots.RESTART:
            self.asked.append(name)
            self.boots[name] += 1
            self.missing[name] = self.away[name]
        return f"boot {self.boots[name]}\n"


@pytest.fixture
def reboot(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(fleet: Fleet) -> dict[str, str]:
        monkeypatch.setattr(reboots, "run_as_root", fleet.run)
        now = [0.0]

        def sleep(seconds: float) -> None:
            now[0] += seconds

        addresses = dict.fromkeys(fleet.away, "192.0.2.1")
        return reboots.reboot(CONNECTION, addresses, patience_s=60, sleep=sleep, clock=lambda: now[0])

    return run


def test_all_come_back(reboot: Any) -> None:
    fleet = Fleet({"a": 3})
    assert reboot(fleet) == {}
    assert fleet.asked == ["a"]


def test_one_that_stays_away_is_named(reboot: Any) -> None:
    assert reboot(Fleet({"a": 999})) == {"a": "did not come back within 1 min after its restart"}


def test_one_that_cannot_be_told(reboot: Any) -> None:
    fleet = Fleet({"a": 0})
    fleet.missing = {"a": 1}
    assert reboot(fleet) == {"a": "a: no route"}


def test_one_that_answers_from_the_same_boot_is_not_back(reboot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet({"a": 0})
    monkeypatch.setattr(reboots, "RESTART", ["true"])
    run = fleet.run
    monkeypatch.setattr(fleet, "run", lambda *args, **more: run(*args, **more).replace("2", "1"))
    assert reboot(fleet) == {"a": "did not come back within 1 min after its restart"}
