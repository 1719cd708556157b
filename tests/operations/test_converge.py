"""The runner: exact argument list, environment and files; what it says when things go wrong."""

from __future__ import annotations

import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import converge
from gridmill.operations.document import read_document
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import ssh_command
from gridmill.operations.places import PLAYBOOKS
from gridmill.operations.record.locks import exclusive
from gridmill.operations.run import ansible
from gridmill.operations.run.phase import PhaseRun, masked
from gridmill.operations.run.results import RunResult
from tests.conftest import ROOT


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    return (tmp_path / "state").resolve()


@pytest.fixture
def document(lab_plan: SitePlan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(documents(lab_plan)["pod-a"]))
    return found


def test_paths_of_this_machine_are_filled_in_late(state: Path, document: dict[str, Any]) -> None:
    assert "{state}" in json.dumps(document)
    read = read_document(json.dumps(document))
    assert read.connection.identity_file == state / "lab" / "lab" / "id_ed25519"
    assert read.data["connection"]["knownHostsFile"] == str(state / "lab" / "lab" / "known_hosts")


def test_the_exact_argument_list(tmp_path: Path) -> None:
    inventory = tmp_path / "gridmill.json"
    assert ansible.ansible_command(inventory, PLAYBOOKS / "keys.yml", check=False) == [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "--inventory",
        str(inventory),
        str(ROOT / "playbooks" / "keys.yml"),
    ]
    assert ansible.ansible_command(inventory, PLAYBOOKS / "keys.yml", check=True)[3:5] == ["--check", "--diff"]


def test_the_exact_environment(tmp_path: Path) -> None:
    given = {"HOME": "/home/anna", "PULUMI_CONFIG_PASSPHRASE": "canary", "AWS_SECRET": "canary", "LD_PRELOAD": "x"}
    assert ansible.child_environment(tmp_path, given.get) == {
        "HOME": "/home/anna",
        "PATH": f"{Path(sys.executable).parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path / "cp"),
    }


def test_who_runs_a_playbook(tmp_path: Path) -> None:
    unset: dict[str, str] = {}
    assert ansible.executor(unset.get) == "bundle"
    assert ansible.executor({"GRIDMILL_EXECUTOR": "ansible"}.get) == "ansible"
    with pytest.raises(OperationError, match="GRIDMILL_EXECUTOR is 'bundles'"):
        ansible.executor({"GRIDMILL_EXECUTOR": "bundles"}.get)
    command = ansible.bundle_command(tmp_path, tmp_path / "playbook.json", "pod-a", check=True)
    place = str(tmp_path / "playbook.json")
    assert command == [
        sys.executable,
        "-m",
        "gridmill.operations.bundle.run",
        "--name",
        "pod-a",
        "--check",
        str(tmp_path),
        place,
    ]


def test_host_keys_are_checked_on_every_connection(state: Path, document: dict[str, Any]) -> None:
    command = ssh_command(read_document(json.dumps(document)).connection, "198.18.4.65", ["true"])
    assert "StrictHostKeyChecking=yes" in command
    assert f"UserKnownHostsFile={state}/lab/lab/known_hosts" in command
    assert command[-3:] == ["--", "198.18.4.65", "true"]


def test_secrets_leave_the_environment_and_stay_in_private_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    monkeypatch.setenv("GRIDMILL_SECRET_DATABASE", "canary-1")
    secrets = converge.take(converge.SECRET_PREFIX)
    assert secrets == {"database": "canary-1"}
    assert converge.take(converge.SECRET_PREFIX) == {}
    inventory = ansible.write_inventory(tmp_path, document, secrets)
    assert "canary-1" not in inventory.read_text()
    assert json.loads((tmp_path / "secrets.json").read_text()) == secrets
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_whatever_is_printed_is_masked() -> None:
    assert masked("a canary-12 canary-1", {"x": "canary-1", "y": "canary-12", "z": ""}) == "a [secret] [secret]"


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(schema="gridmill.converge/v0"),
        lambda d: d.update(site="../x"),
        lambda d: d.update(scope="a b"),
        lambda d: d.update(playbook="/etc/x.yml"),
        lambda d: d.update(decommission="../x.yml"),
        lambda d: d.pop("hosts"),
        lambda d: d.update(connection=[]),
    ],
)
def test_what_is_no_document_is_refused(change: Any, document: dict[str, Any]) -> None:
    change(document)
    with pytest.raises(OperationError):
        read_document(json.dumps(document))


def test_garbage_on_standard_input_is_status_2(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("{"))
    monkeypatch.setattr(converge, "die_with_parent", lambda: None)
    assert converge.main(["apply"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "not a converge document" in captured.err


def test_a_phase_without_decommissioning_is_removed_without_a_word(
    state: Path, lab_plan: SitePlan, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(documents(lab_plan)["acceptance"])))
    monkeypatch.setattr(converge, "die_with_parent", lambda: None)
    assert converge.main(["remove"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_second_run_is_refused_and_names_the_first(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "lock", "lab: pod-a"),
        pytest.raises(OperationError, match=r"lab: pod-a is already running: process \d+ of .* since 20"),
        exclusive(tmp_path / "lock", "lab: pod-a"),
    ):
        pass
    with exclusive(tmp_path / "lock", "again"):
        pass


CHECK_OK = {"check": "hostname", "ok": True, "expected": "a", "found": "a"}
CHECK_BAD = {"check": "gpus", "ok": False, "expected": 8, "found": 7, "hint": "look at the journal"}


def test_a_good_run() -> None:
    result = RunResult.of("pod-a", ["a"])
    result.record({"event": "checks", "host": "a", "checks": [CHECK_OK], "data": {"job": 3}})
    result.record({"event": "stats", "host": "a", "changed": 4})
    assert result.ok
    assert result.summary(12.34, "sites/lab/logs/x.log") == {
        "schema": "gridmill.result/v1",
        "ok": True,
        "scope": "pod-a",
        "hosts": {"a": {"ok": True, "changed": 4, "checks": 1}},
        "data": {"a": {"job": 3}},
        "seconds": 12.3,
        "log": "sites/lab/logs/x.log",
    }


def test_the_report_has_every_check_of_every_host() -> None:
    result = RunResult.of("pod-a", ["a", "b"])
    result.record({"event": "checks", "host": "a", "checks": [CHECK_OK, CHECK_BAD]})
    result.record({"event": "stats", "host": "b", "changed": 2})
    result.record({"event": "checks", "host": "b", "checks": [CHECK_OK]})
    report = result.report(2, 1.0, "/x.log")
    assert report["ok"] is False
    assert report["hosts"]["a"]["checks"] == [CHECK_OK, CHECK_BAD]
    assert (report["hosts"]["a"]["ok"], report["hosts"]["b"]["ok"]) == (False, True)


def test_the_report_says_how_long_each_task_took() -> None:
    result = RunResult.of("pod-a", ["a"])
    for role, task, at in (("base", "One", 5.0), ("base", "Two", 7.5), ("verify", "One", 8.0), ("", "", 8.25)):
        result.record({"event": "task", "role": role, "task": task, "at": at})
    assert result.report(0, 4.0, "")["tasks"] == {"base : One": 2.5, "base : Two": 0.5, "verify : One": 0.25}
    assert (result.role, result.task) == ("verify", "One")


def test_silence_is_failure() -> None:
    assert not RunResult.of("pod-a", ["a"]).ok
    silent_check = RunResult.of("pod-a", ["a"])
    silent_check.record({"event": "checks", "host": "a", "checks": [{"check": "gpus"}]})
    silent_check.record({"event": "stats", "host": "a", "changed": 0})
    assert not silent_check.ok
    unchecked = RunResult.of("pod-a", ["a"])
    unchecked.record({"event": "stats", "host": "a", "changed": 0})
    assert not unchecked.ok


def test_check_mode_tells_and_removal_checks_nothing() -> None:
    for action, expected in (("check", True), ("remove", True), ("apply", False)):
        result = RunResult.of("pod-a", ["a"], action)
        result.record({"event": "stats", "host": "a", "changed": 3})
        assert result.ok is expected
    dry = RunResult.of("pod-a", ["a"], "check")
    dry.record({"event": "checks", "host": "a", "checks": [CHECK_BAD]})
    dry.record({"event": "changed", "host": "a", "task": "base : Write /etc/hosts"})
    dry.record({"event": "stats", "host": "a", "changed": 1})
    assert dry.ok
    assert dry.summary(1.0, "")["hosts"]["a"]["changes"] == ["base : Write /etc/hosts"]
    assert dry.report(0, 1.0, "")["hosts"]["a"]["changes"] == ["base : Write /etc/hosts"]


def test_what_a_killed_run_left_in_memory_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    first = ansible.runtime_directory(Path("/state/sites/lab"), "pod-a")
    (first / "secrets.json").write_text("canary")
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    again = ansible.runtime_directory(Path("/state/sites/lab"), "pod-a")
    assert again == first
    assert list(again.iterdir()) == []
    assert ansible.runtime_directory(Path("/state/sites/lab"), "pod-b") != first


def test_the_complaint_names_host_task_check_and_log() -> None:
    result = RunResult.of("pod-a", ["a", "b", "c", "d"])
    result.record({"event": "task", "role": "verify", "task": "Verify"})
    result.record({"event": "checks", "host": "a", "checks": [CHECK_OK, CHECK_BAD]})
    result.record({"event": "unreachable", "host": "b", "task": "connect", "message": "No route to host"})
    result.record({"event": "stats", "host": "c", "changed": 0})
    result.record({"event": "checks", "host": "c", "checks": [CHECK_OK]})
    result.record({"event": "stats", "host": "e", "changed": 0})
    assert result.complaint(2, "/var/log/x.log", "lab").splitlines() == [
        "pod-a: not ok",
        "  a: check gpus: expected 8, found 7 (look at the journal)",
        "  b: connect: No route to host",
        "    fix: is it on, cabled, and at its planned address? `gridmill preflight lab` checks every machine",
        "  d: did not finish (playbook status 2, last task: Verify)",
        "  e: nothing was checked",
        "  1 of 5 hosts ok; the same command completes the run",
        "  log: /var/log/x.log",
    ]
    assert result.complaint(2, "", "lab").splitlines()[-1].startswith("  1 of 5 hosts ok"), "no log, no line about one"


def test_an_interrupted_run_says_so_in_one_line(
    state: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: PhaseRun) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(PhaseRun, "run", interrupted)
    monkeypatch.setattr(converge, "die_with_parent", lambda: None)
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(document)))
    assert converge.main(["apply"]) == 130
    assert capsys.readouterr() == ("", "interrupted; the same command completes the run\n")


def test_a_run_removes_what_a_killed_one_left_while_it_asked_nodes(
    state: Path, document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    run = PhaseRun(read_document(json.dumps({**document, "leaseHost": None})), "apply", {})
    left = ansible.runtime_directory(run.directory, "pod-a-waves")
    (left / "secrets.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(PhaseRun, "_converge_pod", lambda *_: 0)
    assert run.run() == 0
    assert not left.exists()
