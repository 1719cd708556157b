"""The ledger: which hosts a change concerns, and which have left."""

from __future__ import annotations

import base64
import copy
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import converge
from gridmill.operations.errors import INTERRUPTED, OperationError
from gridmill.operations.record import ledger
from gridmill.operations.record.lease_host import answer
from gridmill.operations.record.ledger import Entry, host_digests, removal, subset
from gridmill.operations.run import phase, pod_rollout
from gridmill.operations.run.baselines import HostSelection

NODES = ["pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38"]


@pytest.fixture
def data(lab_plan: SitePlan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(documents(lab_plan)["pod-a"]))
    return found


def changed(before: dict[str, Any], after: dict[str, Any], **more: Any) -> set[str]:
    first = host_digests(before, {}, {})
    second = host_digests(after, more.get("secrets", {}), more.get("versions", {}))
    return {name for name in second if first.get(name) != second[name]}


def test_a_change_concerns_whom_it_concerns(data: dict[str, Any]) -> None:
    other = copy.deepcopy(data)
    assert changed(data, other) == set()
    other["groups"]["gpu"]["vars"]["nvidia_driver_version"] = "560"
    assert changed(data, other) == {"pod-a-r1-u01", "pod-a-r1-u09"}
    other = copy.deepcopy(data)
    other["hosts"]["pod-a-r1-u38"]["hostKey"] = "SHA256:new"
    assert changed(data, other) == {"pod-a-r1-u38"}
    other = copy.deepcopy(data)
    other["vars"]["base_timezone"] = "Etc/UTC"
    assert changed(data, other) == set(NODES)
    assert changed(data, data, secrets={"key": "new"}) == set(NODES)
    assert changed(data, data, versions={"roles": "new"}) == set(NODES)


def test_of_a_set_of_keys_the_newest_decides(data: dict[str, Any]) -> None:
    def keys(**found: str) -> dict[str, str]:
        entries = [{"kid": name.removeprefix("e"), "k": key} for name, key in found.items()]
        return {"key": base64.b64encode(json.dumps({"keys": entries}).encode()).decode()}

    def digest(secrets: dict[str, str]) -> dict[str, str]:
        return host_digests(data, secrets, {})

    assert digest(keys(e1="b25l", e2="dHdv")) == digest(keys(e2="dHdv")), "the old one went away by rotation"
    assert digest(keys(e1="b25l")) != digest(keys(e1="b25l", e2="dHdv"))
    assert digest(keys(e9="b25l", e10="dHdv")) == digest(keys(e10="dHdv")), "epochs are numbers"


def test_a_new_node_concerns_nobody_else(data: dict[str, Any]) -> None:
    other = copy.deepcopy(data)
    other["hosts"]["pod-a-r1-u17"] = {"address": "198.18.4.81"}
    for group in ("gpu", "compute", "class_gpu"):
        other["groups"][group]["hosts"].append("pod-a-r1-u17")
    assert changed(data, other) == {"pod-a-r1-u17"}


def test_a_subset_keeps_groups_and_variables(data: dict[str, Any]) -> None:
    part = subset(data, {"pod-a-r1-u09"})
    assert list(part["hosts"]) == ["pod-a-r1-u09"]
    assert part["groups"]["gpu"]["hosts"] == ["pod-a-r1-u09"]
    assert part["groups"]["storage"]["hosts"] == []
    assert part["groups"]["gpu"]["vars"] == data["groups"]["gpu"]["vars"]
    assert list(removal(data, {"x": Entry("10.0.0.1")})["hosts"]) == ["x"]


class Runs:
    """Stands for SSH and Ansible: keeps what was asked, and answers as told."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.played: list[tuple[str, list[str]]] = []
        self.controllers: list[int] = []
        self.bad: set[str] = set()
        self.predicted: dict[str, list[str]] = {}
        """Tasks that change something, by host."""
        self.due: set[str] = set()
        """Hosts that must be restarted."""
        self.restarted: list[str] = []
        self.held: dict[str, str] = {}
        self.working: dict[str, list[str]] = {}
        """Jobs by host."""

    def drained(self) -> dict[str, str]:
        return dict(self.held)

    def drain(self, nodes: Iterable[str], reason: str) -> None:
        self.held |= dict.fromkeys(nodes, reason)

    def resume(self, nodes: Iterable[str]) -> None:
        for name in nodes:
            del self.held[name]

    def jobs(self, nodes: Iterable[str]) -> dict[str, list[str]]:
        return {name: self.working[name] for name in nodes if name in self.working}

    def reboot(self, connection: object, addresses: dict[str, str]) -> dict[str, str]:
        self.restarted += sorted(addresses)
        return {}

    def requeue(self, jobs: Iterable[str]) -> None:
        raise AssertionError(f"{list(jobs)} may end")

    def read(self) -> dict[str, Entry]:
        return dict(self.entries)

    def write(self, entries: dict[str, Entry]) -> None:
        self.entries = dict(entries)

    def play(self, playbook: str | None, data: dict[str, Any], secrets: dict[str, str], **options: Any) -> int:
        what = playbook or "roles"
        self.played.append((f"{what} --check" if options["check"] else what, sorted(data["hosts"])))
        self.controllers.append(len(data.get("controllers", {})))
        for host in data["hosts"]:
            if host in self.bad:
                event: dict[str, Any] = {"event": "failed", "host": host, "task": "t", "message": "m"}
            else:
                check = {"check": "hostname", "ok": True, "expected": host, "found": host}
                due = host in self.due and host not in self.restarted
                reboot = {
                    "check": "reboot",
                    "ok": not due,
                    "expected": "",
                    "found": "reboot needed: x" if due else "no",
                }
                options["on_event"](json.dumps({"event": "checks", "host": host, "checks": [check, reboot]}))
                for task in self.predicted.get(host, ()):
                    options["on_event"](json.dumps({"event": "changed", "host": host, "task": task}))
                event = {"event": "stats", "host": host, "changed": 1}
            options["on_event"](json.dumps(event))
        return 2 if self.bad & set(data["hosts"]) else 0


class NoBaselines(HostSelection):
    """No machine has a baseline, or gets one."""

    def select(self, names: set[str], *, compare: bool, invalidate: bool) -> set[str]:
        return names

    def baseline(self, items: Any) -> None:
        pass


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    found = Runs()
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(ledger.Ledger, "read", lambda _: found.read())
    monkeypatch.setattr(ledger.Ledger, "remove", lambda _: found.write({}))
    monkeypatch.setattr(ledger.Ledger, "write", lambda _, entries: found.write(entries))
    monkeypatch.setattr(phase, "run_playbook", found.play)
    monkeypatch.setattr(pod_rollout, "slurm_of", lambda _: found)
    monkeypatch.setattr(pod_rollout, "reboot", found.reboot)
    monkeypatch.setattr(
        phase, "ask_lease_host", lambda *_: lambda request: answer(request, str(tmp_path / "leaseHost"))
    )
    monkeypatch.setattr(phase, "carried_secrets", lambda _, pending_change: {"slurm_compute_auth_keys": "a2V5"})
    monkeypatch.setattr(phase, "HostSelection", NoBaselines)
    monkeypatch.setattr(converge, "die_with_parent", lambda: None)
    return found


def apply(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(data)))
    return converge.main(["apply", *options])


def test_the_first_run_has_all_the_second_none(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply(data, monkeypatch) == 0
    assert runs.played == [("roles", NODES)]
    assert apply(data, monkeypatch) == 0
    assert len(runs.played) == 1
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["unchanged"] == 3
    assert apply(data, monkeypatch, "--all") == 0
    assert runs.played[-1] == ("roles", NODES)


def test_a_host_that_failed_is_the_only_one_to_be_tried_again(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.bad = {"pod-a-r1-u09"}
    assert apply(data, monkeypatch) == 1
    runs.bad = set()
    assert apply(data, monkeypatch) == 0
    assert runs.played == [("roles", NODES), ("roles", ["pod-a-r1-u09"])]


def test_a_killed_run_leaves_no_word_of_an_earlier_one(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit, a kill in mid-run, and the edit taken back: the host may be half-way, and must be converged."""
    apply(data, monkeypatch)
    edited = copy.deepcopy(data)
    edited["groups"]["gpu"]["vars"]["nvidia_driver_version"] = "560"

    def killed(*arguments: Any, **options: Any) -> int:
        if options["check"]:
            return runs.play(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(phase, "run_playbook", killed)
        assert apply(edited, monkeypatch) == INTERRUPTED
    assert apply(data, monkeypatch) == 0
    assert runs.played[-1] == ("roles", ["pod-a-r1-u01", "pod-a-r1-u09"])


def test_a_host_that_left_is_decommissioned_once(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(data, monkeypatch)
    smaller = subset(data, {"pod-a-r1-u01", "pod-a-r1-u38"})
    assert apply(smaller, monkeypatch) == 0
    assert runs.played[1:] == [("decommission_pod.yml", ["pod-a-r1-u09"])]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["removed"] == ["pod-a-r1-u09"]
    assert sorted(runs.entries) == ["pod-a-r1-u01", "pod-a-r1-u38"]
    assert apply(smaller, monkeypatch) == 0
    assert len(runs.played) == 2


def test_a_machine_that_is_gone_blocks_nobody_and_is_named(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(data, monkeypatch)
    runs.bad = {"pod-a-r1-u09"}
    assert apply(subset(data, {"pod-a-r1-u01", "pod-a-r1-u38"}), monkeypatch) == 0
    assert "pod-a-r1-u09 does not answer: it is removed from Slurm" in capsys.readouterr().err


def test_maintenance_and_back(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Left alone while it is worked on, neither asked nor taken out of service; converged again when it is back."""
    apply(data, monkeypatch)
    away = {**subset(data, {"pod-a-r1-u01", "pod-a-r1-u38"}), "maintenance": {"pod-a-r1-u09": "fan, ticket 7"}}
    assert apply(away, monkeypatch) == 0
    assert len(runs.played) == 1
    said = capsys.readouterr()
    assert "pod-a-r1-u09 is skipped: maintenance (fan, ticket 7)" in said.err
    assert json.loads(said.out.splitlines()[-1])["maintenance"] == {"pod-a-r1-u09": "fan, ticket 7"}
    assert runs.entries["pod-a-r1-u09"].digest == ""
    assert runs.entries["pod-a-r1-u09"].at
    assert apply(data, monkeypatch) == 0
    assert runs.played[1:] == [("roles", ["pod-a-r1-u09"])]


def test_a_node_that_leaves_the_plan_out_of_maintenance_is_taken_out(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(data, monkeypatch)
    rest = subset(data, {"pod-a-r1-u01", "pod-a-r1-u38"})
    apply({**rest, "maintenance": {"pod-a-r1-u09": "fan"}}, monkeypatch)
    assert apply(rest, monkeypatch) == 0
    assert runs.played[1:] == [("decommission_pod.yml", ["pod-a-r1-u09"])]


def remove(data: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(data)))
    return converge.main(["remove"])


def test_removal_with_the_controller_gone_says_what_fixes_it(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(_: object) -> None:
        raise OperationError("pod-a-r1-u40: the ledger: No route to host")

    monkeypatch.setattr(ledger.Ledger, "read", gone)
    runs.bad = {"pod-a-r1-u38"}
    assert remove(data, monkeypatch) == 1
    assert "GRIDMILL_ABANDON=pod-a before the command" in capsys.readouterr().err
    monkeypatch.setenv("GRIDMILL_ABANDON", "pod-b")
    assert remove(data, monkeypatch) == 1
    monkeypatch.setenv("GRIDMILL_ABANDON", "pod-b,pod-a")
    assert remove(data, monkeypatch) == 0
    assert runs.controllers == [1, 1, 0]
    said = capsys.readouterr()
    assert "left as it is: pod-a-r1-u40: the ledger: No route to host" in said.err
    assert json.loads(said.out.splitlines()[-1])["ok"] is True


def test_an_abandoned_pods_ledger_goes_with_it(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or other machines in the same slots would count as converged."""
    apply(data, monkeypatch)
    runs.bad = {"pod-a-r1-u38"}
    assert remove(data, monkeypatch) == 1
    assert runs.entries
    monkeypatch.setenv("GRIDMILL_ABANDON", "pod-a")
    assert remove(data, monkeypatch) == 0
    assert runs.entries == {}


def test_a_pod_without_machines_of_its_own_is_ok(
    data: dict[str, Any], runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert apply(subset(data, set()), monkeypatch) == 0
    assert runs.played == []
