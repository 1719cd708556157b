"""The journal of a site: what it shows, and that tampering shows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.errors import OperationError
from gridmill.operations.record.journal import broken, journal, journal_table, parse
from tests.operations.test_lease import ENTRY, LeaseHost, desk

__all__ = ["desk"]


def filled(desk: LeaseHost) -> list[dict[str, Any]]:
    for _ in range(3):
        desk.leave(desk.take("a")["token"])
    return desk.entries()


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda e: e[2].update(who="mallory"), ["line 3: was edited"]),
        (
            lambda e: e.pop(2),
            ["line 3: does not follow the line before", "line 4", "line 5", "lines 6 to 6 are missing"],
        ),
        (
            lambda e: e.insert(1, dict(e[0])),
            ["line 2: does not follow", "line 3", "line 4", "line 5", "line 6", "line 7"],
        ),
        (lambda e: e.pop(), ["lines 6 to 6 are missing, which this machine saw"]),
        (lambda e: e.clear(), ["lines 1 to 6 are missing"]),
    ],
)
def test_tampering_shows(desk: LeaseHost, spoil: Any, expected: list[str]) -> None:
    entries = filled(desk)
    anchor = {"n": 6, "hash": entries[-1]["hash"]}
    assert broken(entries, anchor) == []
    spoil(entries)
    found = broken(entries, anchor)
    for text in expected:
        assert any(one.startswith(text) for one in found), (text, found)


def test_a_journal_written_anew_is_not_the_one_that_was_seen(desk: LeaseHost, tmp_path: Path) -> None:
    anchor = desk({"action": "renew", "token": 0, "ttl": 1})["head"]
    assert anchor["n"] == 0
    anchor = {"n": 6, "hash": filled(desk)[-1]["hash"]}
    other = LeaseHost(tmp_path / "other")
    other.now += 1
    assert broken(filled(other), anchor) == ["line 6: is another than the one that this machine saw"]


def test_a_line_that_a_crash_cut_short_goes(desk: LeaseHost) -> None:
    filled(desk)
    with (desk.directory / "journal.jsonl").open("a") as stream:
        stream.write('{"n": 7, "at": "20')
    desk.take("a")
    entries = desk.entries()
    assert [entry["n"] for entry in entries] == [1, 2, 3, 4, 5, 6, 7]
    assert broken(entries, {}) == []


def test_the_reader(lab_plan: SitePlan, desk: LeaseHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    token = desk.take("a")["token"]
    desk({"action": "leave", "token": token, "scope": "pod-a", "entry": {**ENTRY, "ok": False, "failed": ["n1"]}})
    desk.take("a", "pod-b")
    data = journal(lab_plan, 2, desk)
    assert (data["ok"], len(data["entries"]), data["lease"]["phases"]) == (True, 2, ["pod-b"])
    text = journal_table(data)
    assert (
        "FAILED: n1" in text and "in progress: a on desk-a (process 7), pod-b" in text and "no line was changed" in text
    )
    desk.now += 500
    assert journal(lab_plan, 0, desk)["lease"] is None


def test_a_run_whose_stack_file_was_not_committed_is_marked(desk: LeaseHost) -> None:
    entry = {**filled(desk)[0], "revision": "a" * 40}
    data = {"entries": [entry, {**entry, "stack": "not committed"}], "lease": None, "breaks": []}
    clean, marked = journal_table(data).splitlines()[1:3]
    assert "aaaaaaaaaa" in clean and "committed" not in clean
    assert "aaaaaaaaaa, stack not committed" in marked


@pytest.mark.parametrize("text", ["{", '{"n": 1}', "[]"])
def test_what_is_no_journal_says_its_line(text: str) -> None:
    with pytest.raises(OperationError, match="line 1 of the journal"):
        parse(text + "\n")


def test_the_table_of_an_empty_journal(lab_plan: SitePlan, desk: LeaseHost, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO(journal_table(journal(lab_plan, 0, desk)))
    assert "no run is in progress" in stream.read()
