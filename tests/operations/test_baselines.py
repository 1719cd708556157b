"""Which hosts a run is for, and what the drift checks of many machines say, with a stand-in for ssh."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import converge
from gridmill.operations.document import Connection, ConvergeDocument, read_document
from gridmill.operations.hosts import many
from gridmill.operations.hosts.many import Call, Outcome, call_all
from gridmill.operations.record import ledger
from gridmill.operations.record.lease_host import answer
from gridmill.operations.run import baselines, phase
from gridmill.operations.run.baselines import (
    Answer,
    HostSelection,
    Recorded,
    program,
    program_code,
    read_answer,
    wanted_digests,
)
from gridmill.operations.run.results import RunResult

CONNECTION = Connection("gridmill", Path("/id"), Path("/known"), True)
HOSTS = ["pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38"]
DIFFERENCE = {"kind": "unit", "name": "chrony", "found": "is not running"}


@pytest.fixture
def data(lab_plan: SitePlan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(documents(lab_plan)["pod-a"]))
    return found


@pytest.fixture
def document(data: dict[str, Any]) -> ConvergeDocument:
    return read_document(json.dumps(data))


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that runs the command here; addresses that end in .9 are dead, and .8 refuses."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (place / "ssh").write_text(
        '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\naddress=$2\nshift 2\n'
        'echo "$address" >> "$SSH_LOG"\n'
        'case $address in *.9) sleep 0.6; echo "Connection timed out" >&2; exit 255;; *.8) echo refused >&2; exit 3;; esac\n'
        'exec sh -c "$*"\n'
    )
    for file in place.iterdir():
        file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_every_host_is_called_once_and_keeps_its_answer(ssh: Path) -> None:
    calls = {
        f"h{number}": Call(f"10.0.0.{100 + number}", "cat; echo out", f"in {number} ".encode()) for number in range(7)
    }
    found = call_all(CONNECTION, calls, at_once=3)
    assert list(found) == list(calls)
    assert {name: outcome.output for name, outcome in found.items()} == {f"h{n}": f"in {n} out\n" for n in range(7)}
    assert len(ssh.read_text().splitlines()) == 7


def test_a_host_that_refuses_and_one_that_is_dead_are_told_apart(ssh: Path) -> None:
    found = call_all(CONNECTION, {"dead": Call("10.0.0.9", "true"), "cross": Call("10.0.0.8", "true")})
    assert found["dead"].unreachable and found["dead"].complaint == "Connection timed out"
    assert not found["cross"].unreachable and found["cross"].complaint == "refused"
    assert Outcome(4).complaint == "exit status 4"


def test_dead_hosts_cost_one_timeout_in_all(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones show that some are dead; those that wait are then asked at once whether anybody listens."""
    monkeypatch.setattr(many, "SUSPICIOUS_S", 0.2)
    looked: list[str] = []

    async def silence(address: str) -> str:
        looked.append(address)
        return "nobody there" if address.endswith(".9") else ""

    monkeypatch.setattr(many, "silence", silence)
    addresses = [f"10.0.{number}.9" for number in range(20)] + [f"10.0.{number}.1" for number in range(4)]
    started = time.monotonic()
    found = call_all(CONNECTION, {address: Call(address, "echo yes") for address in addresses}, at_once=2)
    assert time.monotonic() - started < 2.5, "20 timeouts of 0.6 s, two at a time, would take 6 s"
    assert [name for name, outcome in found.items() if outcome.output == "yes\n"] == addresses[20:]
    assert all(outcome.unreachable for name, outcome in found.items() if name.endswith(".9"))
    assert len(looked) >= 20 and len(ssh.read_text().splitlines()) < 10


def test_who_listens_is_heard_though_this_process_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine with too much to do the time can be over before the answer, which is there, was looked at."""

    async def late(connecting: Any, timeout: float) -> None:
        await connecting
        raise TimeoutError

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        monkeypatch.setattr(many, "PORT", server.getsockname()[1])
        assert asyncio.run(many.silence("127.0.0.1")) != ""
        server.listen()
        assert asyncio.run(many.silence("127.0.0.1")) == ""
        monkeypatch.setattr("asyncio.wait_for", late)
        assert asyncio.run(many.silence("127.0.0.1")) == ""


def test_the_program_is_small_and_holds_no_code() -> None:
    text = program({"action": "compare", "digests": {"pod-a": "d'1\"\\"}, "invalidate": False})
    assert len(text) < 1500
    compile(text, "program", "exec")


def test_the_archive_is_all_that_the_drift_check_needs(tmp_path: Path) -> None:
    """It records and compares in a Python that has neither Ansible nor Gridmill; modules of ours answer there."""
    place, root = tmp_path / "drift-check.zip", tmp_path / "root"
    place.write_bytes(program_code())
    assert program_code() == place.read_bytes()
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "site.conf").write_text("text")
    (tmp_path / "machine-keys").mkdir()
    script = f"""
import json, sys
sys.path.insert(0, {str(place)!r})
from pathlib import Path
from ansible_collections.gridmill.site.plugins.module_utils.drift import check as drift_check
items = [
    {{"kind": "file", "name": "/etc/site.conf"}},
    {{"kind": "module", "name": "storage_directories x", "module": "storage_directories", "arguments":
      {{"directories": [], "mounted": False, "below": "x", "owner": "root", "mode": "0700"}}}},
    {{"kind": "module", "name": "slurm_keys x", "module": "slurm_keys", "arguments":
      {{"path": {str(tmp_path / "none")!r}, "owner": "root", "epoch": 1, "stage": "accept", "overlap": 1}}}},
]
root = Path({str(root)!r})
print(json.dumps(drift_check.baseline({{"scope": "s", "digest": "d", "plan": "p", "at": "t", "items": items[:2]}}, root)))
print(json.dumps(drift_check.compared({{"digests": {{"s": "d"}}}}, root)))
print(json.dumps(drift_check.baseline({{"scope": "s", "digest": "d", "plan": "p", "at": "t", "items": items}}, root)))
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-"], input=script, capture_output=True, text=True, check=True)
    recorded, compared, refused = map(json.loads, done.stdout.splitlines())
    assert recorded["recorded"] is True
    assert compared["scopes"]["s"]["items"] == 2 and compared["scopes"]["s"]["differences"] == []
    assert refused["differences"] == [{"kind": "module", "name": "slurm_keys x", "found": "would do: change something"}]


def test_every_module_of_ours_is_in_the_archive() -> None:
    names = zipfile.ZipFile(io.BytesIO(program_code())).namelist()
    for name in ("accounts", "volume_mounts", "slurm_configuration", "package_sources"):
        assert f"ansible_collections/gridmill/site/plugins/modules/{name}.py" in names


def test_digests_follow_the_plan_and_secrets_apart(data: dict[str, Any]) -> None:
    before = wanted_digests(data, {"key": "a"})
    other_secret = wanted_digests(data, {"key": "b"})
    name = HOSTS[0]
    assert before[name][0] != other_secret[name][0] and before[name][1] == other_secret[name][1]
    data["hosts"][name]["hostKey"] = "SHA256:x"
    assert wanted_digests(data, {"key": "a"}) == before, "a machine that was replaced has no baseline"
    data["hosts"][name]["serial"] = "s"
    assert {host for host, digests in wanted_digests(data, {"key": "a"}).items() if digests != before[host]} == {name}


def test_what_is_no_answer_is_a_complaint() -> None:
    assert "cannot be read" in read_answer(Outcome(0, "hello")).complaint
    assert "answers with schema v0" in read_answer(Outcome(0, '{"schema": "v0"}')).complaint
    good = {"digest": "d", "plan": "p", "at": "t", "items": 2, "differences": [DIFFERENCE]}
    text = json.dumps({"schema": baselines.SCHEMA, "scopes": {"pod-a": good}})
    assert read_answer(Outcome(0, text)).scopes["pod-a"] == Recorded("d", "p", "t", 2, (DIFFERENCE,))


class Site:
    """Answers of drift checks, and what they were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, list[str]]] = []
        self.recorded: dict[str, Any] = {}
        monkeypatch.setattr(baselines, "check_all", self.check)
        monkeypatch.setattr(baselines, "forget_all", self.forget)
        monkeypatch.setattr(baselines, "record_all", self.baseline)

    def check(self, _: Connection, addresses: dict[str, str], wanted: Any, *, invalidate: bool) -> dict[str, Answer]:
        self.asked.append(("compare and forget" if invalidate else "compare", list(addresses)))
        return {name: self.answers.get(name, Answer()) for name in addresses}

    def forget(self, _: Connection, addresses: dict[str, str], scope: str) -> dict[str, Answer]:
        self.asked.append(("forget", list(addresses)))
        return {name: self.answers.get(name, Answer()) for name in addresses}

    def baseline(self, _: ConvergeDocument, items: dict[str, Any], digests: Any) -> dict[str, Answer]:
        self.recorded |= items
        return {name: Answer() for name in items}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(monkeypatch)


def selection(document: ConvergeDocument, said: list[str] | None = None) -> HostSelection:
    return HostSelection(document, {}, (said if said is not None else []).append)


def recorded(document: ConvergeDocument, name: str, *differences: dict[str, str], digest: str = "") -> Answer:
    digest = digest or wanted_digests(document.data, {})[name][0]
    return Answer(scopes={document.scope: Recorded(digest, "p", "t", 9, differences)})


def test_a_run_is_for_those_that_differ(document: ConvergeDocument, site: Site) -> None:
    clean, spoiled, stale = HOSTS
    site.answers = {
        clean: recorded(document, clean),
        spoiled: recorded(document, spoiled, DIFFERENCE),
        stale: recorded(document, stale, digest="old"),
    }
    said: list[str] = []
    found = selection(document, said)
    assert found.select(set(HOSTS), compare=True, invalidate=True) == {spoiled, stale}
    assert found.clean == {clean: 9} and site.asked == [("compare and forget", HOSTS)]
    assert said == [
        f"{spoiled}: unit chrony: is not running",
        f"{stale}: the plan differs from what it was converged to",
    ]


def test_a_machine_that_cannot_say_is_for_the_run_and_a_dead_one_is_not(document: ConvergeDocument, site: Site) -> None:
    dead, broken, new = HOSTS
    site.answers = {dead: Answer("timed out", unreachable=True), broken: Answer("no python3")}
    for compare in (True, False):
        found = selection(document)
        assert found.select(set(HOSTS), compare=compare, invalidate=True) == {broken, new}
        assert found.unreachable == {dead: "timed out"}


def test_check_mode_takes_no_word_back(document: ConvergeDocument, site: Site) -> None:
    assert selection(document).select(set(HOSTS), compare=False, invalidate=False) == set(HOSTS) and site.asked == []
    selection(document).select(set(HOSTS), compare=True, invalidate=False)
    assert site.asked == [("compare", HOSTS)]


def test_keys_are_not_rotated_past_a_machine_that_is_away(data: dict[str, Any], site: Site) -> None:
    data["playbook"] = "keys.yml"  # done everywhere before the next step begins
    keys = read_document(json.dumps(data))
    site.answers = dict.fromkeys(HOSTS, Answer("timed out", unreachable=True))
    assert selection(keys).select(set(HOSTS), compare=True, invalidate=True) == set(HOSTS) and site.asked == []


def run(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(data)))
    return converge.main(list(options))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Hosts that Ansible was given, run by run; the ledger is kept here."""
    found: list[list[str]] = []
    entries: dict[str, ledger.Entry] = {}

    def play(playbook: str | None, data: dict[str, Any], secrets: dict[str, str], **options: Any) -> int:
        found.append(sorted(data["hosts"]))
        for host in data["hosts"]:
            check = {"check": "hostname", "ok": True, "expected": host, "found": host}
            for event in (
                {"event": "watched", "host": host, "items": [{"kind": "file", "name": "/etc/hosts"}]},
                {"event": "checks", "host": host, "checks": [check]},
                {"event": "stats", "host": host, "changed": 1},
            ):
                options["on_event"](json.dumps(event))
        return 0

    def write(_: ledger.Ledger, new: dict[str, ledger.Entry]) -> None:
        entries.clear()
        entries.update(new)

    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(ledger.Ledger, "read", lambda _: dict(entries))
    monkeypatch.setattr(ledger.Ledger, "write", write)
    monkeypatch.setattr(phase, "run_playbook", play)
    monkeypatch.setattr(phase, "carried_secrets", lambda _, pending_change: {})
    monkeypatch.setattr(phase.PhaseRun, "_affected", lambda *_: {})
    monkeypatch.setattr(
        phase, "ask_lease_host", lambda *_: lambda request: answer(request, str(tmp_path / "leaseHost"))
    )
    monkeypatch.setattr(converge, "die_with_parent", lambda: None)
    return found


def test_with_all_only_what_differs_is_run_and_recorded_again(
    data: dict[str, Any],
    document: ConvergeDocument,
    site: Site,
    played: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(data, monkeypatch, "apply") == 0
    assert played == [HOSTS] and set(site.recorded) == set(HOSTS) and site.asked == [("forget", HOSTS)]
    clean, *others = HOSTS
    site.recorded.clear()
    site.answers = {clean: recorded(document, clean)} | {name: recorded(document, name, DIFFERENCE) for name in others}
    assert run(data, monkeypatch, "check", "--all") == 0
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert played[1:] == [others] and site.recorded == {} and summary["asLeft"] == 1
    assert summary["hosts"][clean] == {"ok": True, "changed": 0, "checks": 1, "changes": []}
    assert run(data, monkeypatch, "apply", "--all") == 0
    assert played[2:] == [others] and set(site.recorded) == set(others)
    assert run(data, monkeypatch, "apply", "--full") == 0
    assert played[3:] == [HOSTS]
    site.answers = {name: recorded(document, name) for name in HOSTS}
    assert run(data, monkeypatch, "apply", "--all") == 0 and len(played) == 4


def test_a_dead_machine_is_named_and_the_others_are_converged(
    data: dict[str, Any],
    site: Site,
    played: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    dead, *others = HOSTS
    site.answers = {dead: Answer("connect to host 198.18.4.65 port 22: No route to host", unreachable=True)}
    assert run(data, monkeypatch, "apply") == 1
    assert played == [others]
    assert f"{dead}: connect: connect to host 198.18.4.65 port 22: No route to host" in capsys.readouterr().err
    site.answers = {}
    assert run(data, monkeypatch, "apply") == 0 and played[1:] == [[dead]]


def test_items_are_no_part_of_the_report() -> None:
    result = RunResult.of("pod-a", ["n1"])
    result.record({"event": "watched", "host": "n1", "items": [{"kind": "file", "name": "/canary"}]})
    assert result.hosts["n1"].items and "canary" not in json.dumps(result.report(0, 1, ""))
