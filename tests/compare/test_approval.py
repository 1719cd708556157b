"""What was approved is what runs: every kind of move is found and named, and nothing else is."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gridmill.compare.approval import moved, not_valid, plan_digest, predicted_moved

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DIGEST, OTHER = "1a" * 16, "2b" * 16
CHANGE = {
    "role": "base", "task": "Write /etc/hosts", "what": ["file /etc/hosts"], "impact": "live", "why": "at once"
}  # fmt: skip
PHASE: dict[str, Any] = {
    "scope": "pod-a", "hosts": {"n1": {"impact": "live", "changes": [CHANGE], "failures": []},
                                "n2": {"impact": "none", "changes": [], "failures": []}},
    "unreached": {"n3": "no answer"}, "unfinished": [], "leaving": ["n9"], "unchanged": ["n4"], "complaint": "",
}  # fmt: skip
PLAN: dict[str, Any] = {
    "site": "lab", "until": (NOW + timedelta(hours=1)).isoformat(), "made": {"revision": "c" * 40},
    "contents": {"Pulumi.lab.yaml": DIGEST, "role base": DIGEST},
    "versions": {"engine": "v3.259.0"},
    "consent": {"loss of 3 nodes": "sold"},
    "documents": {"document pod-a: machine n1": DIGEST},
    "state": {"resource lab-pod-a-converge (command:local:Command)": DIGEST},
    "journal": {"unknown": "", "n": 12, "hash": DIGEST, "last": "then anna@ws1 pod-a apply ended"},
    "report": {
        "problems": [], "resources": [{"op": "update", "type": "t", "name": "lab-pod-a-converge", "inputs": ["stdin"]}],
        "effects": [], "power": [{"what": "pod-a", "before": 1.0, "after": 2.0, "margin": 3.0}], "phases": [PHASE],
        "drift": {"at": "then", "hosts": {"n1": {"pod-a": ["file /x: gone"]}}, "unseen": {}, "complaint": ""},
    },
}  # fmt: skip
PLAN["digest"] = plan_digest(PLAN)


def changed(path: str, value: Any, base: dict[str, Any] = PLAN) -> dict[str, Any]:
    """A copy with another value at `path`; None removes."""
    found = copy.deepcopy(base)
    *way, last = path.split("/")
    place = found
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return found


def test_what_did_not_move_is_applied() -> None:
    assert not_valid(PLAN, "lab", NOW) == []
    assert moved(PLAN, copy.deepcopy(PLAN)) == []
    assert predicted_moved(PLAN["report"], copy.deepcopy(PLAN["report"])) == ([], [])


@pytest.mark.parametrize(
    ("plan", "site", "now", "start"),
    [
        (changed("consent/loss of 3 nodes", "stolen"), "lab", NOW, "the plan: approved "),
        (changed("report/phases", []), None, NOW, "the plan: approved "),
        (PLAN, "ems1", NOW, "the site: approved lab, found ems1; take the plan that was made for it"),
        (PLAN, None, NOW + timedelta(hours=2), "the time: approved until 2026-11-22T13:00:00+00:00, found"),
    ],
)
def test_a_plan_that_is_no_longer_or_never_was_good(
    plan: dict[str, Any], site: str | None, now: datetime, start: str
) -> None:
    found = [move.text for move in not_valid(plan, site, now)]
    assert len(found) == 1 and found[0].startswith(start), found


JOURNAL = {"unknown": "", "n": 14, "hash": OTHER, "last": "now ben@ws2 control apply ended"}


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("contents/Pulumi.lab.yaml", OTHER, "Pulumi.lab.yaml: approved 1a1a1a1a1a1a, found 2b2b2b2b2b2b; check out what was approved (cccccccccccc), or"),
        ("contents/role base", OTHER, "role base: approved 1a1a1a1a1a1a, found 2b2b2b2b2b2b; check out"),
        ("contents/role base", None, "role base: approved 1a1a1a1a1a1a, found nothing; check out"),
        ("versions/engine", "v3.260.0", "engine: approved v3.259.0, found v3.260.0; install"),
        ("consent/volume scratch", "x", "volume scratch: approved nothing, found x; make a new plan"),
        ("documents/document pod-a: machine n1", OTHER, "document pod-a: machine n1: approved 1a1a1a1a1a1a, found 2b"),
        ("state/resource lab-pod-a-converge (command:local:Command)", OTHER, "resource lab-pod-a-converge (command:local:Command): approved 1a1a1a1a1a1a, found 2b2b2b2b2b2b; somebody updated"),
        ("state/unfinished updating of x", DIGEST, "unfinished updating of x: approved nothing, found 1a1a1a1a1a1a; somebody"),
        ("journal", JOURNAL, "the site's journal: approved line 12 as the last, found line 14: now ben@ws2 control apply ended; see"),
        ("journal/hash", OTHER, "the site's journal: approved line 12 as the last, found another journal; see"),
        ("journal/unknown", "no answer", "the site's journal: approved line 12 as the last, found not known (no answer); bring"),
    ],
)  # fmt: skip
def test_what_moved_without_asking_machines(path: str, value: Any, text: str) -> None:
    found = [move.text for move in moved(PLAN, changed(path, value))]
    assert len(found) == 1 and found[0].startswith(text), found


def test_a_journal_that_nobody_knew_is_not_compared() -> None:
    unknown = changed("journal", {"unknown": "no answer", "n": 0, "hash": "", "last": ""})
    assert moved(unknown, PLAN) == []


MORE = {**CHANGE, "task": "Stop a unit", "what": ["unit stop x", "file /y"], "impact": "reconfigure"}
N1, P = "phases/0/hosts/n1", "phases/0"


def report(path: str, value: Any, base: dict[str, Any] = PLAN["report"]) -> dict[str, Any]:
    """A report with another value at `path`, whose second step is an index."""
    found = copy.deepcopy(base)
    place: Any = found
    *way, last = path.split("/")
    for key in way:
        place = place[int(key) if isinstance(place, list) else key]
    place[last] = value
    return found


@pytest.mark.parametrize(
    ("path", "value", "texts"),
    [
        (f"{N1}/changes", [CHANGE, MORE], ["n1: approved no such change, found unit stop x, file /y (base: Stop a unit; reconfigure)"]),
        (f"{N1}/changes", [], ["n1: approved file /etc/hosts (base: Write /etc/hosts; live), found no such change"]),
        (f"{N1}/changes", [{**CHANGE, "impact": "drain"}], ["n1: approved no such change, found file /etc/hosts (base: Write /etc/hosts; drain)", "n1: approved file"]),
        (f"{N1}/failures", ["no disk"], ["n1: approved no such change, found would fail: no disk"]),
        (f"{N1}/replaced", "its key", ["n1: approved no such change, found reprovision: its key"]),
        (f"{P}/hosts", {**PHASE["hosts"], "n4": PHASE["hosts"]["n1"]}, ["n4: approved no such change, found file"]),
        (f"{P}/unreached", {"n1": "dead", "n3": "no answer"}, ["n1: approved with its answer, found none (dead); bring"]),
        (f"{P}/unfinished", ["n2"], ["n2: approved with its answer, found none (the time limit was up)"]),
        (f"{P}/leaving", [], ["n9: approved that it leaves, found that it stays"]),
        (f"{P}/leaving", ["n8", "n9"], ["n8: approved that it stays, found that it leaves"]),
        (f"{P}/complaint", "nobody knows", ["pod-a: approved with its machines asked, found nobody knows; repair"]),
        ("phases", [], ["pod-a: approved with its machines asked, found no machine was asked"]),
        ("resources", [], ["resource lab-pod-a-converge: approved op update, inputs stdin, found nothing"]),
        ("power", [], ["power pod-a: approved before 1.0, after 2.0, margin 3.0, found nothing"]),
        ("effects", [{"what": "loses 3 nodes", "nodes": ["n1"]}], ["effect loses 3 nodes: approved nothing, found nodes n1"]),
        ("drift", {}, ["changed by hand on n1: approved file /x: gone, found nothing"]),
        ("drift", {"at": "now", "hosts": {"n1": {"pod-a": ["file /x: gone"]}, "n2": {"pod-a": ["unit y: is not running"]}}},
         ["changed by hand on n2: approved nothing, found unit y: is not running; make"]),
        ("problems", ["over budget"], ["the preview: approved no problem, found over budget"]),
    ],
)  # fmt: skip
def test_what_moved_on_machines(path: str, value: Any, texts: list[str]) -> None:
    moves, notes = predicted_moved(PLAN["report"], report(path, value))
    assert notes == [] and len(moves) == len(texts), moves
    for move, text in zip(moves, texts, strict=True):
        assert move.text.startswith(text), move.text


def test_what_was_silent_when_it_was_approved_is_told_and_not_compared() -> None:
    answers = report(f"{P}/hosts", {**PHASE["hosts"], "n3": PHASE["hosts"]["n1"]})
    answers["phases"][0]["unreached"] = {}
    moves, notes = predicted_moved(PLAN["report"], answers)
    assert moves == []
    assert notes == [
        "n3 was not asked when this was approved; now would change: file /etc/hosts (base: Write /etc/hosts; live)"
    ]
    nobody = report(f"{P}/complaint", "the controller is off")
    moves, notes = predicted_moved(nobody, PLAN["report"])
    assert (moves, notes) == (
        [], ["pod-a: its machines were not asked when this was approved; now would change: n1 (1)"]
    )  # fmt: skip
