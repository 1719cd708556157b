"""One run at a time on a site, and the journal of what was done: the lease_host's answers, the runner's part, the reader."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.commands.rollout import order
from gridmill.operations.document import read_document
from gridmill.operations.errors import OperationError
from gridmill.operations.record import lease, lease_host, runs
from gridmill.operations.record.journal import broken, journal, journal_table, parse
from gridmill.operations.record.lease import Lease, LocalJournal, RefusedError
from gridmill.operations.record.runs import is_dead, this_run

NOON = 1_800_000_000.0
ENTRY = {
    "site": "lab",
    "scope": "pod-a",
    "action": "apply",
    "who": "anna",
    "machine": "desk",
    "run": "a",
    "revision": "",
}


def run(name: str) -> dict[str, Any]:
    return {"id": name, "user": name, "machine": f"desk-{name}", "boot": "b", "pid": 7, "started": "1"}


class LeaseHost:
    """A lease_host in a directory, with a clock that stands still until it is moved."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.now = NOON

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        return lease_host.answer(json.loads(json.dumps(request)), str(self.directory), self.now)

    def take(self, name: str, scope: str = "pod-a", **more: Any) -> dict[str, Any]:
        return self({"action": "take", "run": run(name), "scope": scope, "ttl": 120, "entry": ENTRY, **more})

    def leave(self, token: int, scope: str = "pod-a") -> dict[str, Any]:
        return self({"action": "leave", "token": token, "scope": scope, "entry": {**ENTRY, "ok": True}})

    def renew(self, token: int) -> dict[str, Any]:
        return self({"action": "renew", "token": token, "ttl": 120})

    def entries(self) -> list[dict[str, Any]]:
        return parse(self({"action": "read", "last": 0})["journal"])


@pytest.fixture
def desk(tmp_path: Path) -> LeaseHost:
    return LeaseHost(tmp_path / "leaseHost")


def test_phases_of_one_run_share_it_and_another_is_refused(desk: LeaseHost) -> None:
    token = desk.take("a")["token"]
    assert desk.take("a", "pod-b")["token"] == token
    refused = desk.take("b")
    assert (refused["refused"], refused["lease"]["run"]["user"]) == ("held", "a")
    assert sorted(refused["lease"]["scopes"]) == ["pod-a", "pod-b"]
    desk.leave(token)
    assert desk.take("b")["refused"] == "held", "pod-b is still at work"
    desk.leave(token, "pod-b")
    assert desk.take("b")["token"] == token + 1


def test_it_runs_out_unless_it_is_renewed(desk: LeaseHost) -> None:
    token = desk.take("a")["token"]
    desk.now += 119
    assert "refused" not in desk.renew(token)
    desk.now += 119
    assert desk.take("b")["refused"] == "held"
    desk.now += 2
    taken = desk.take("b")["token"]
    assert taken > token
    assert desk.renew(token)["refused"] == "superseded"
    assert [entry["event"] for entry in desk.entries()] == ["began", "taken over", "began"]
    assert desk.entries()[1]["unfinished"] == ["pod-a"]


def test_a_run_that_lost_the_site_between_two_phases_is_told(desk: LeaseHost) -> None:
    desk.leave(desk.take("a")["token"])
    desk.leave(desk.take("b")["token"])
    assert desk.take("a", "pod-b")["refused"] == "superseded"
    assert "token" in desk.take("c")


def test_what_a_stale_run_says_at_its_end_frees_nothing(desk: LeaseHost) -> None:
    stale = desk.take("a")["token"]
    desk.now += 121
    desk.take("b")
    desk.leave(stale)
    assert desk.take("c")["refused"] == "held"


def test_a_dead_runs_lease_is_taken_when_it_is_named(desk: LeaseHost) -> None:
    desk.take("a")
    assert desk.take("b", dead="x")["refused"] == "held"
    assert "token" in desk.take("b", dead="a")


def test_tokens_grow_on_a_controller_that_was_set_up_anew(tmp_path: Path) -> None:
    first, second = LeaseHost(tmp_path / "old"), LeaseHost(tmp_path / "new")
    old = [first.take("a")["token"], *[first.take(name, dead=before)["token"] for before, name in ("ab", "bc")]]
    second.now += 60
    assert old == sorted(set(old)) and second.take("d")["token"] > old[-1]


def test_orders_reach_the_run_at_work_and_end_with_it(desk: LeaseHost, lab_plan: SitePlan) -> None:
    nobody = "lab: no run is in progress"
    assert order(lab_plan, "pause", desk)[0] == {"ok": False, "order": "pause", "working": [], "error": nobody}
    token = desk.take("a")["token"]
    assert desk.renew(token)["halt"] == {}, "an order of before"
    assert order(lab_plan, "pause", desk)[0]["working"] == ["pod-a"]
    halted = desk.renew(token)["halt"]
    assert (halted["order"], halted["by"]) == ("pause", this_run().user)
    order(lab_plan, "continue", desk)
    assert desk.renew(token)["halt"] == {}
    assert [entry["event"] for entry in desk.entries()] == ["pause", "began", "pause", "continue"]
    assert "rollout" in journal_table(journal(lab_plan, 0, desk))


def test_files_are_roots_alone(desk: LeaseHost) -> None:
    desk.take("a")
    assert {stat.S_IMODE(path.stat().st_mode) for path in desk.directory.iterdir()} == {0o600}


@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["take", "leave", "renew", "wait"])), max_size=25)
)
def test_never_two_at_once(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]) -> None:
    """Whoever is let in, or told that it still holds the site, is the only one that is."""
    desk = LeaseHost(tmp_path_factory.mktemp("leaseHost"))
    tokens: dict[str, int] = {}
    working: dict[str, float] = {}
    for name, step in steps:
        working = {who: until for who, until in working.items() if until > desk.now}
        if step == "take" and name not in working:
            found = desk.take(name)
            assert ("token" in found) <= (not working)
            if "token" in found:
                assert found["token"] >= max(tokens.values(), default=0)
                tokens[name], working = found["token"], {name: desk.now + 120}
        elif step == "leave" and name in working:
            desk.leave(tokens[name])
            del working[name]
        elif step == "renew" and name in tokens:
            renewed = "refused" not in desk.renew(tokens[name])
            assert renewed or name not in working
            working |= {name: desk.now + 120} if name in working else {}
        elif step == "wait":
            desk.now += 50
    assert broken(desk.entries(), {}) == []


@pytest.fixture
def document(lab_plan: SitePlan) -> Any:
    return read_document(json.dumps(documents(lab_plan)["pod-a"]))


@pytest.fixture
def said() -> list[str]:
    return []


def test_a_phase_holds_the_site_and_tells_the_journal(
    document: Any, desk: LeaseHost, said: list[str], tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    with Lease(document, "apply", tmp_path / "site", said.append, desk) as held:
        assert held.token == int(NOON)
        assert desk.take("b")["refused"] == "held"
        held.outcome = {"ok": True, "hosts": 3, "changed": ["n[1-3]"], "failed": [], "removed": []}
    began, ended = desk.entries()
    assert (began["event"], ended["event"], ended["ok"], ended["changed"]) == ("began", "ended", True, ["n[1-3]"])
    assert began["who"] == this_run().user and len(began["document"]) == 32
    assert LocalJournal(tmp_path / "site").head() == {"n": 2, "hash": ended["hash"]}
    assert "token" in desk.take("b")


def test_another_run_is_refused_with_who_since_when_and_until(
    document: Any, desk: LeaseHost, said: list[str], tmp_path: Path
) -> None:
    desk.take("bert")
    desk.now += 20
    expected = r"bert on desk-bert \(process 7\) works on the site since 2027-01-15 08:00:00 UTC \(pod-a\); .* in 100 s"
    with pytest.raises(RefusedError, match=expected), Lease(document, "remove", tmp_path, said.append, desk):
        pass


def test_what_a_dead_run_of_this_machine_left_is_taken_at_once(
    document: Any, desk: LeaseHost, said: list[str], tmp_path: Path
) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = replace(this_run(), id="dead", pid=ended.pid, started="1").as_dict()
    assert is_dead(dead) and not is_dead(this_run().as_dict())
    assert not is_dead({**dead, "boot": "another"}) and not is_dead({**dead, "machine": "another"})
    desk({"action": "take", "run": dead, "scope": "pod-a", "ttl": 120, "entry": ENTRY})
    with Lease(document, "apply", tmp_path, said.append, desk) as held:
        held.outcome = {"ok": True}
    assert [entry["event"] for entry in desk.entries()] == ["began", "taken over", "began", "ended"]
    assert "did not release the site's lease, and has ended" in said[0]


def test_a_run_that_loses_the_site_stops_its_playbook(
    document: Any, desk: LeaseHost, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    stopped: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: stopped.append((pid, number)))
    with Lease(document, "apply", tmp_path, said.append, desk) as held:
        desk.now += 121
        desk.take("bert", "control")
        held._renewer.join(timeout=10)
        assert stopped == [(os.getpid(), signal.SIGTERM)]
        assert held.lost.startswith("bert on desk-bert (process 7) took the site at")


def test_without_its_controller_a_phase_does_not_begin_but_a_removal_goes_on(
    document: Any, said: list[str], tmp_path: Path
) -> None:
    def gone(_: dict[str, Any]) -> dict[str, Any]:
        raise OperationError("pod-a-r1-u40: no route to host")

    with pytest.raises(OperationError, match="no route"), Lease(document, "apply", tmp_path, said.append, gone):
        pass
    with Lease(document, "remove", tmp_path, said.append, gone) as held:
        assert held.token == 0
        held.outcome = {"ok": True}
    assert said[0].startswith("going on without the site's lease: pod-a-r1-u40")


def test_what_could_not_be_told_is_told_later(document: Any, desk: LeaseHost, said: list[str], tmp_path: Path) -> None:
    dead = [False]

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        if dead[0]:
            raise OperationError("gone")
        return desk(request)

    with Lease(document, "apply", tmp_path, said.append, ask) as held:
        held.outcome = {"ok": True}
        dead[0] = True
    assert said == ["the journal gets this with the next run: gone"]
    with pytest.raises(OperationError), Lease(document, "apply", tmp_path, said.append, ask):
        pass
    dead[0] = False
    with Lease(document, "apply", tmp_path, said.append, ask):
        pass
    events = [(entry["event"], entry.get("late", False)) for entry in desk.entries()]
    assert events == [("began", False), ("ended", True), ("began", False), ("ended", False)]
    assert desk.entries()[-1]["ok"] is False, "nothing was done"
    assert list(tmp_path.glob("journal-late*")) == []


def test_the_program_that_is_sent_is_whole(document: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What goes over SSH, run by another python3 that has nothing of ours."""

    def run_here(connection: object, name: str, address: str, words: list[str], *, what: str, stdin: str) -> str:
        text = stdin.replace(f'DIRECTORY = "{lease_host.DIRECTORY}"', f"DIRECTORY = {str(tmp_path / 'k')!r}")
        assert text != stdin and words == ["python3", "-"]
        return subprocess.run(
            [sys.executable, "-I", "-"], input=text, capture_output=True, text=True, check=True
        ).stdout

    monkeypatch.setattr(lease, "run_as_root", run_here)
    ask = lease.ask_lease_host(document.connection, "n", "192.0.2.1")
    request = {
        "action": "take",
        "run": run("a'\"\\"),
        "scope": "pod-a",
        "ttl": 120,
        "entry": {**ENTRY, "who": "a'\"\\\n"},
    }
    assert ask(request)["head"]["n"] == 1
    assert parse(ask({"action": "read", "last": 0})["journal"])[0]["who"] == "a'\"\\\n"


def test_all_phases_of_one_engine_are_one_run(tmp_path: Path) -> None:
    def process(pid: int, parent: int, name: str) -> None:
        place = tmp_path / str(pid)
        place.mkdir()
        (place / "stat").write_text(f"{pid} ({name}) S {parent} " + " ".join(str(n) for n in range(5, 53)))
        (place / "comm").write_text(f"{name}\n")

    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("b\n")
    process(os.getpid(), 30, "python3")
    process(30, 20, "pulumi-resource")
    process(20, 10, "pulumi")
    process(10, 1, "bash")
    found = this_run(tmp_path)
    assert (found.pid, found.started) == (20, "22")
    (tmp_path / "20" / "comm").write_text("make\n")
    assert this_run(tmp_path).pid == os.getpid()


def test_a_revision_is_the_commit_and_whether_files_differ(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@t.test"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    assert runs.revision(tmp_path) == ""
    git("init", "-q")
    (tmp_path / "x").write_text("1")
    git("add", "x")
    git("commit", "-qm", "x")
    clean = runs.revision(tmp_path)
    assert len(clean) == 40
    (tmp_path / "x").write_text("2")
    assert runs.revision(tmp_path) == f"{clean}+"
    assert runs.uncommitted_stack("lab", tmp_path) == {}
    (tmp_path / "Pulumi.lab.yaml").write_text("1")
    assert runs.uncommitted_stack("lab", tmp_path) == {"stack": "not committed"}, "a file that git does not know"
    (tmp_path / ".gitignore").write_text("Pulumi.lab.yaml\n")
    assert runs.uncommitted_stack("lab", tmp_path) == {"stack": "not committed"}, "one that git is to ignore"
    git("add", "-f", "Pulumi.lab.yaml")
    git("commit", "-qm", "y")
    assert runs.uncommitted_stack("lab", tmp_path) == {}
    assert runs.uncommitted_stack("lab", tmp_path / "nowhere") == {}
