"""What a plan is bound to on this machine, and what `gridmill apply` says without asking anybody."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gridmill.compare.approval import SCHEMA, plan_digest
from gridmill.documents import documents
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import cli
from gridmill.operations.document import read_document
from gridmill.operations.errors import OperationError
from gridmill.operations.playbooks import PLACE
from gridmill.operations.preview import approved_plan
from gridmill.operations.preview.approved_plan import (
    contents,
    document_digests,
    journal_end,
    make_plan,
    read_plan,
    resource_digests,
    write_plan,
)
from gridmill.operations.record.journal import journal, journal_table
from gridmill.operations.record.lease import Lease
from gridmill.operations.record.runs import approved_plan as told
from tests.conftest import ROOT
from tests.operations.test_journal import filled
from tests.operations.test_lease import LeaseHost, desk

__all__ = ["desk"]

COLLECTION = f"playbooks/{PLACE}"
FILES = {
    "Pulumi.lab.yaml": "x", "Pulumi.other.yaml": "x", "inventories/lab/skus/a.yaml": "x",
    f"{COLLECTION}/roles/base/tasks/main.yml": "x", f"{COLLECTION}/plugins/modules/x.py": "x", "playbooks/keys.yml": "x", "gridmill/operations/x.py": "x", "docs/x.md": "x",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "moves"),
    [
        ("Pulumi.lab.yaml", {"Pulumi.lab.yaml"}),
        ("Pulumi.other.yaml", set()),
        ("inventories/lab/skus/a.yaml", {"inventories/lab/skus/a.yaml"}),
        ("inventories/lab/skus/new.yaml", {"inventories/lab/skus/new.yaml"}),
        ("__main__.py", {"__main__.py"}),
        ("ansible.cfg", {"ansible.cfg"}),
        ("features/motd/feature.py", {"features"}),
        (f"{COLLECTION}/roles/base/files/new", {"role base"}),
        (f"{COLLECTION}/roles/new/tasks/main.yml", {"role new"}),
        (f"{COLLECTION}/plugins/module_utils/new.py", {"collection's plugins"}),
        (f"{COLLECTION}/galaxy.yml", {"collection's galaxy.yml"}),
        ("playbooks/keys.yml", {"playbooks/keys.yml"}),
        ("gridmill/operations/x.py", {"gridmill"}),
        ("gridmill/__pycache__/x.pyc", set()),
        ("docs/x.md", set()),
    ],
)
def test_contents_that_decide(tmp_path: Path, name: str, moves: set[str]) -> None:
    for file, text in FILES.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text, encoding="utf-8")
    before = contents("lab", tmp_path, tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("other", encoding="utf-8")
    after = contents("lab", tmp_path, tmp_path)
    assert {label for label in {**before, **after} if before.get(label) != after.get(label)} == moves


def command(name: str, **more: Any) -> dict[str, Any]:
    urn = f"urn:pulumi:lab::gridmill::gridmill:index:Site$command:local:Command::{name}"
    return {"urn": urn, "inputs": {"stdin": "x"}, "modified": "then", **more}


def test_resources_of_a_state() -> None:
    def digests(*resources: dict[str, Any], **more: Any) -> dict[str, str]:
        return resource_digests({"deployment": {"resources": list(resources), **more}})

    label = "resource a (command:local:Command)"
    secret = {"environment": {"S": {approved_plan.SECRET: "mark", "ciphertext": "v1:one"}}}
    again = {"environment": {"S": {approved_plan.SECRET: "mark", "ciphertext": "v1:two"}}}
    assert digests(command("a", inputs=secret)) == digests(command("a", inputs=again)), "encrypted anew is not a change"
    assert digests(command("a"))[label] != digests(command("a", inputs={"stdin": "y"}))[label]
    assert digests(command("a"))[label] != digests(command("a", modified="now"))[label]
    provider = {"urn": "urn:pulumi:lab::gridmill::pulumi:providers:command::default_1_2_1", "inputs": {}}
    assert list(digests(command("a"), provider)) == [label]
    unfinished = [{"type": "updating", "resource": command("b")}]
    assert "unfinished updating of b" in digests(command("a"), pending_operations=unfinished)
    assert resource_digests({"deployment": None}) == {}


def test_documents_by_part(lab_definition: Definition, lab_plan: SitePlan) -> None:
    found = document_digests(lab_definition, lab_plan)
    assert {"document pod-a: machine pod-a-r1-u01", "document control: group controllers"} <= set(found)


def test_the_journals_end(desk: LeaseHost, lab_plan: SitePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    assert journal_end(lab_plan, desk) == {"unknown": "", "n": 0, "hash": "", "last": ""}
    last = filled(desk)[-1]
    found = journal_end(lab_plan, desk)
    assert (found["n"], found["hash"]) == (6, last["hash"]) and found["last"].endswith("ended")
    monkeypatch.setenv("GRIDMILL_PREVIEW", "plan")
    assert journal_end(lab_plan)["unknown"] == "no machine is asked: GRIDMILL_PREVIEW is plan"
    monkeypatch.setenv("GRIDMILL_PREVIEW", "")
    monkeypatch.setenv("GRIDMILL_STATE", "/nowhere")
    assert journal_end(lab_plan)["unknown"] == "no machine is asked: id_ed25519 of the site is not on this machine"


def plan(**more: Any) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = {"at": "2026-11-22T09:00:00+00:00", "by": "anna", "machine": "ws1", "revision": "c" * 40}
    found = {"schema": SCHEMA, "site": "lab", "made": made, "until": until, **more}
    return {**found, "digest": plan_digest(found)}


@pytest.mark.parametrize(
    ("found", "options", "what"),
    [
        ({**plan(), "site": "ems1"}, [], "the plan"),
        (plan(), ["--site", "ems1"], "the site"),
        (plan(until="2026-01-01T00:00:00+00:00"), [], "the time"),
    ],
)
def test_a_plan_that_is_not_good_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], found: dict[str, Any], options: list[str], what: str
) -> None:
    file = tmp_path / "plan.json"
    write_plan(file, found)
    assert cli.main(["apply", str(file), "--json", *options]) == 2
    said = capsys.readouterr()
    data = json.loads(said.out)
    assert (data["result"], [move["what"] for move in data["moved"]]) == ("refused", [what])
    assert f"is not applied; this moved:\n  {what}: approved " in said.err


def test_what_is_no_plan(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    for text in ("", "[]", "{}", '{"schema": "gridmill.approved-plan/v9"}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(OperationError) as told:
            read_plan(file)
        assert "not an approved plan" in str(told.value) or "approved-plan/v9" in str(told.value)
        assert "KeyError" not in str(told.value)


def test_the_journal_is_told_of_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_PLAN", "1a" * 32)
    assert told() == {"plan": "1a" * 32}
    for bad in ("", "x", "1a" * 33):
        monkeypatch.setenv("GRIDMILL_PLAN", bad)
        assert told() == {}


def test_the_journal_shows_the_plan(
    lab_plan: SitePlan, desk: LeaseHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    document = read_document(json.dumps(documents(lab_plan)["pod-a"]))
    for digest in ("", "1a" * 32):
        monkeypatch.setenv("GRIDMILL_PLAN", digest)
        with Lease(document, "apply", tmp_path, print, desk) as held:
            held.outcome = {"ok": True}
    assert [entry.get("plan", "") for entry in desk.entries()] == ["", "", "1a" * 32, "1a" * 32]
    lines = journal_table(journal(lab_plan, 0, desk)).splitlines()
    assert [" plan 1a1a1a1a1a1a" in line for line in lines[1:5]] == [False, False, True, True]


def test_the_documented_schema(lab_plan: SitePlan) -> None:
    """Every key of a plan stands in docs/reference/approved-plan.md."""
    text = (ROOT / "docs" / "reference" / "approved-plan.md").read_text(encoding="utf-8")
    words = set(re.findall("`([a-z]+)`", text))
    sections = ("site", "contents", "versions", "consent", "documents", "state")
    bound_to: dict[str, Any] = {key: {} for key in sections}
    found = make_plan(lab_plan, {**bound_to, "journal": journal_end(lab_plan, lambda _: {"journal": ""})}, {}, {})
    assert set(found) | set(found["made"]) | set(found["journal"]) <= words
    assert found["digest"] == plan_digest(found)
    valid = datetime.fromisoformat(found["until"]) - datetime.fromisoformat(found["made"]["at"])
    assert valid == timedelta(days=7)
