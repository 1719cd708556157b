"""Drift as a change: what a preview asks and keeps, whom a run repairs, and that what was repaired is asked no more."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.document import ConvergeDocument, read_document
from gridmill.operations.inspect.drift import HostDrift
from gridmill.operations.preview import hand_changes
from gridmill.operations.record.ledger import Entry
from gridmill.operations.run import phase
from gridmill.operations.run.baselines import Answer
from gridmill.operations.run.drifted import Drifted
from tests.operations.test_baselines import HOSTS, Site, data, document, played, recorded, run, site

__all__ = ["data", "document", "played", "site"]

DIFFERENCE = {"kind": "file", "name": "/etc/hosts", "found": "other content"}
EARLY, LATE = "2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


def seen(name: str, *differences: dict[str, str], unseen: str = "", unrecorded: Iterable[str] = ()) -> HostDrift:
    told = tuple({"phase": "pod-a", **one} for one in differences)
    return HostDrift(name, "pod-a", "", unseen, tuple(unrecorded), (), told, 9, EARLY)


def test_findings_by_machine_and_phase() -> None:
    bare = seen("n4", unseen="no baseline of storage: no run has ended well here since", unrecorded=["storage"])
    dead = seen("n3", unseen="unreachable: dead")
    assert hand_changes.findings([seen("n1", DIFFERENCE), seen("n2"), dead, bare]) == {
        "hosts": {
            "n1": {"pod-a": ["file /etc/hosts: other content"]}, "n4": {"storage": ["no run has ended well here since"]}
        },
        "unseen": {"n3": "unreachable: dead"},
    }  # fmt: skip


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Sites whose machines were asked."""
    found: list[str] = []

    def ask(plan: SitePlan) -> list[HostDrift]:
        found.append(plan.name)
        return [seen("n1", DIFFERENCE)]

    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.delenv(hand_changes.GIVEN, raising=False)
    monkeypatch.setattr(hand_changes, "site_drift", ask)
    monkeypatch.setattr(hand_changes, "die_with_parent", lambda: None)
    access = tmp_path / "lab" / "lab"
    access.mkdir(parents=True)
    for name in ("id_ed25519", "known_hosts"):
        (access / name).touch()
    return found


def tell(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert hand_changes.main(["lab", *options]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_an_update_takes_what_its_preview_found(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report"
    monkeypatch.setenv("GRIDMILL_PREVIEW_REPORT", str(report))
    first = tell(capsys, "--fresh")
    assert list(first["hosts"]) == ["n1"] and first["at"] and asked == ["lab"]
    assert json.loads((report / "hand-changes" / "hand-changes.json").read_text(encoding="utf-8")) == first
    assert tell(capsys) == first and asked == ["lab"]
    tell(capsys, "--fresh")
    assert asked == ["lab", "lab"], "a preview asks anew"
    kept = tmp_path / "sites" / "lab" / "hand-changes.json"
    kept.write_text(json.dumps({"run": "another", "found": first}), encoding="utf-8")
    tell(capsys)
    assert asked == ["lab"] * 3, "another run's preview is not a word for this update"


def test_what_is_known_is_not_asked(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "given.json"
    monkeypatch.setenv(hand_changes.GIVEN, str(file))
    known: tuple[tuple[str, object], ...] = (('{"at": "x", "hosts": {"n7": {}}}', {"n7": {}}), ("{}", {}))
    for text, hosts in known:
        file.write_text(text, encoding="utf-8")
        assert tell(capsys, "--fresh")["hosts"] == hosts
    assert asked == []


def test_who_cannot_be_asked_fails_nothing(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lab" / "lab" / "known_hosts").unlink()
    assert tell(capsys)["complaint"] == "no machine was asked: known_hosts of the site is not on this machine"
    assert hand_changes.main(["nosuch"]) == 0
    assert "Pulumi.nosuch.yaml: cannot be read" in json.loads(capsys.readouterr().out)["complaint"]
    assert asked == []


@pytest.mark.parametrize(
    ("word", "hosts"),
    [
        ("", set()),
        (f"{LATE} pod-a-r1-u[01,09]", {"pod-a-r1-u01", "pod-a-r1-u09"}),
        (f"{EARLY} pod-a-r1-u01", set()),
        (f"{LATE} gone", set()),
    ],
)
def test_who_was_converged_since_is_not_open(word: str, hosts: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_DRIFT", word)
    entries = {name: Entry("198.18.0.1", "d", "2026-11-22T09:00:00Z") for name in HOSTS}
    assert Drifted.take().open(entries) == hosts
    assert Drifted.take() == Drifted(), "no child sees it"


def test_a_run_repairs_who_drifted_and_asks_nobody_else(
    data: dict[str, Any],
    document: ConvergeDocument,
    site: Site,
    played: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, other, _ = HOSTS

    def up(word: str, action: str = "apply") -> int:
        monkeypatch.setenv("GRIDMILL_DRIFT", word)
        site.asked.clear()
        played.clear()
        return run(data, monkeypatch, action)

    assert up("") == 0 and played == [HOSTS]
    site.answers = {one: recorded(document, one, DIFFERENCE), other: recorded(document, other)}
    assert up(f"{LATE} {one},{other}", "check") == 0
    assert (played, site.asked) == ([[one]], [("compare", [one, other])]), "predicted is what differs still"
    assert up(f"{LATE} {one},{other}") == 0
    assert (played, site.asked) == ([[one]], [("compare and forget", [one, other])])
    site.answers = {one: Answer("dead", unreachable=True)}
    assert up(f"{EARLY} {one},{other}") == 0
    assert (played, site.asked) == ([], []), "the word of a repair that is done asks nobody, dead or alive"
    assert up(f"{LATE} {one}") == 1 and played == [], "drift on a machine that died since is not repaired"


def test_of_controllers_only_those_that_differ_are_run_and_slurm_reads_its_files_anew(
    lab_plan: SitePlan, site: Site, played: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    control = json.loads(json.dumps(documents(lab_plan)["control"]))
    name = next(iter(control["hosts"]))
    read = read_document(json.dumps(control))
    play, given = phase.__dict__["run_playbook"], list[bool | None]()

    def noting(playbook: str, data: dict[str, Any], *rest: Any, **more: Any) -> int:
        given.append(data["vars"].get("slurm_controller_reread"))
        status: int = play(playbook, data, *rest, **more)
        return status

    monkeypatch.setattr(phase, "run_playbook", noting)
    live = {"kind": "slurm", "name": "loaded configuration", "found": "partition gpu State is DOWN, was UP"}
    for differences, hosts, reread in (((), [], []), ((DIFFERENCE,), [[name]], [None]), ((live,), [[name]], [True])):
        monkeypatch.setenv("GRIDMILL_DRIFT", f"{LATE} {name}")
        site.answers = {name: recorded(read, name, *differences)}
        site.asked.clear()
        assert run(control, monkeypatch, "apply") == 0
        assert (played, given, site.asked) == (hosts, reread, [("compare and forget", [name])])
        played.clear()
        given.clear()
