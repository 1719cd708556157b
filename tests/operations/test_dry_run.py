"""What a preview says of machines: who answers, what would change there, what that means, and whose jobs it affects."""

from __future__ import annotations

import copy
import io
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import dry_run
from gridmill.operations.directories import state_directory
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.reach import unreachable
from gridmill.operations.record import ledger
from gridmill.operations.record.ledger import Entry
from gridmill.operations.record.locks import exclusive
from gridmill.operations.run import phase
from gridmill.operations.slurm.jobs import jobs_on

GPU_1, GPU_2, STORE, CONTROLLER = "pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38", "pod-a-r1-u40"
CHANGES: dict[str, list[str]] = {"base : Write /etc/hosts": ["file /etc/hosts"]}
UPGRADE: dict[str, list[str]] = {"nvidia : Install packages": ["package nvidia-smi 550 -> 560"]}
QUEUE = (
    "12|anna|gpu|1:02|RUNNING|pod-a-r1-u[01,09]\n13|ben|gpu|3:00|RUNNING|pod-b-r[1-2]-u01,x7\n"
    "14|ben|gpu|9:59|COMPLETING|pod-a-r1-u09\n"
)


def test_machines_that_are_silent_are_named_together() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_server(("127.0.0.1", 0)) as other:
        port, closed = server.getsockname()[1], other.getsockname()[1]
        addresses = {f"n{number}": "127.0.0.1" for number in range(600)}
        server.listen(700)
        assert unreachable(addresses, 5, port) == {}
        other.close()
        assert set(unreachable({"a": "127.0.0.1", "b": "::1"}, 5, closed)) == {"a", "b"}
        assert unreachable({"n": "127.0.0.1"}, 0, port) == {"n": "no answer within 0 s"}


def test_jobs_on_nodes() -> None:
    assert jobs_on(QUEUE, {"pod-b-r2-u01"}) == [
        {"job": "13", "user": "ben", "partition": "gpu", "elapsed": "3:00", "state": "running", "nodes": "pod-b-r2-u01"}
    ]
    assert [job["job"] for job in jobs_on(QUEUE, {GPU_1, GPU_2})] == ["12", "14"]
    assert jobs_on("nonsense\n", {GPU_1}) == []


class World:
    """Stands for the network, the controller and Ansible."""

    def __init__(self) -> None:
        self.silent: dict[str, str] = {}
        self.entries: dict[str, Entry] = {}
        self.changes: dict[str, dict[str, list[str]]] = {}
        self.refusing: set[str] = set()
        self.stuck: set[str] = set()
        self.probed: list[set[str]] = []
        self.played: list[list[str]] = []
        self.asked_jobs: list[set[str]] = []

    def reach(self, addresses: dict[str, str], wait_s: float) -> dict[str, str]:
        self.probed.append(set(addresses))
        return {name: reason for name, reason in self.silent.items() if name in addresses}

    def play(self, playbook: str | None, data: dict[str, Any], secrets: dict[str, str], **options: Any) -> int:
        assert options["check"] is True
        assert str(options["runtime"]).endswith("-check"), "an apply has files of its own"
        self.played.append(sorted(data["hosts"]))
        for host in data["hosts"]:
            if host in self.stuck:
                continue
            if host in self.refusing:
                event = {"event": "unreachable", "host": host, "task": "connect", "message": "Permission denied"}
                options["on_event"](json.dumps(event))
                continue
            for task, what in self.changes.get(host, {}).items():
                options["on_event"](json.dumps({"event": "changed", "host": host, "task": task, "what": what}))
            options["on_event"](json.dumps({"event": "stats", "host": host, "changed": 1}))
        return 0

    def jobs(self, connection: object, name: str, address: str, nodes: set[str]) -> list[dict[str, str]]:
        self.asked_jobs.append(set(nodes))
        return jobs_on(QUEUE, nodes)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    found = World()

    def no_write(_: object, entries: object) -> None:
        raise AssertionError("a preview writes no ledger")

    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    access = tmp_path / "state" / "lab" / "lab"
    access.mkdir(parents=True)
    for name in ("id_ed25519", "known_hosts"):
        (access / name).touch()
    monkeypatch.setattr(ledger.Ledger, "read", lambda _: dict(found.entries))
    monkeypatch.setattr(ledger.Ledger, "write", no_write)
    monkeypatch.setattr(phase, "run_playbook", found.play)
    monkeypatch.setattr(phase, "carried_secrets", lambda _, pending_change: {"slurm_compute_auth_keys": "a2V5"})
    monkeypatch.setattr(dry_run, "unreachable", found.reach)
    monkeypatch.setattr(dry_run, "running_jobs", found.jobs)
    monkeypatch.setattr(dry_run, "die_with_parent", lambda: None)
    monkeypatch.setattr("gridmill.operations.preview.limit.signal.signal", lambda *_: None)
    return found


@pytest.fixture
def data(lab_plan: SitePlan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(documents(lab_plan)["pod-a"]))
    return found


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(document: dict[str, Any], before: dict[str, Any] | None = None, status: int = 0) -> dict[str, Any]:
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"document": document, "before": before})))
        assert dry_run.main([]) == status
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def test_equal_machines_are_told_together(world: World, data: dict[str, Any], tell: Any) -> None:
    world.changes = {GPU_1: CHANGES, GPU_2: CHANGES}
    found = tell(data, data)
    assert found["impact"] == "live"
    assert found["text"] == [
        "pod-a: 2 machines would change, 1 as planned; impact: live",
        "  2 machines pod-a-r1-u[01,09]: 1 change",
        "    files: /etc/hosts",
    ]
    assert world.asked_jobs == [], "a live change affects no job"


def test_an_upgrade_names_its_reason_and_the_affected_jobs(world: World, data: dict[str, Any], tell: Any) -> None:
    world.changes = {GPU_2: {**CHANGES, **UPGRADE}}
    found = tell(data, data)
    assert found["impact"] == "drain"
    assert world.asked_jobs == [{GPU_2}]
    assert [job["job"] for job in found["jobs"]] == ["12", "14"]
    assert found["text"][1:] == [
        "  pod-a-r1-u09: 2 changes",
        "    packages: nvidia-smi 550 -> 560",
        "    files: /etc/hosts",
        "    drain: the driver's libraries are replaced under jobs that use them",
        "  running jobs on affected nodes: 12 of anna on pod-a-r1-u09 (1:02), 14 of ben on pod-a-r1-u09 (9:59)",
    ]


def test_on_a_new_machine_no_jobs_run(world: World, data: dict[str, Any], tell: Any) -> None:
    world.changes = {GPU_2: UPGRADE}
    before = copy.deepcopy(data)
    del before["hosts"][GPU_2]
    found = tell(data, before)
    assert (found["impact"], found["added"]) == ("live", [GPU_2])
    assert "pod-a-r1-u09 (new): 1 change" in found["text"][1]


def test_a_machine_that_is_back_from_maintenance_is_not_new(world: World, data: dict[str, Any], tell: Any) -> None:
    world.changes = {GPU_2: UPGRADE}
    before = copy.deepcopy(data)
    del before["hosts"][GPU_2]
    before["maintenance"] = {GPU_2: "fan, ticket 7"}
    found = tell(data, before)
    assert (found["impact"], found["added"], found["returning"]) == ("live", [], [GPU_2])
    assert "pod-a-r1-u09 (back from maintenance): 1 change" in found["text"][1]


def test_who_does_not_answer_is_named_and_fails_nothing(world: World, data: dict[str, Any], tell: Any) -> None:
    world.silent = {GPU_1: "no answer within 3 s"}
    world.refusing = {STORE}
    world.stuck = {GPU_2}
    found = tell(data, data)
    assert world.played == [[GPU_2, STORE]]
    assert found["unreached"] == {GPU_1: "no answer within 3 s", STORE: "Permission denied"}
    assert found["unfinished"] == [GPU_2]
    assert found["text"][0] == "pod-a: 3 not known; impact: not known; `up` will fail here"
    assert found["text"][1] == "  not asked: pod-a-r1-u38 (Permission denied)"


def test_with_everybody_off_nobody_is_asked(world: World, data: dict[str, Any], tell: Any) -> None:
    world.silent = dict.fromkeys(data["hosts"], "no route to host")
    assert len(tell(data)["unreached"]) == 3
    world.silent[CONTROLLER] = "no route to host"
    found = tell(data)
    assert "pod-a-r1-u40, which has the ledger, does not answer" in found["complaint"]
    assert found["text"][0].endswith("; `up` will fail here; impact: not known")
    assert world.played == []


def test_where_no_machine_can_be_reached_from_none_is_asked(
    world: World, data: dict[str, Any], tell: Any, tmp_path: Path
) -> None:
    (tmp_path / "state" / "lab" / "lab" / "known_hosts").unlink()
    assert "known_hosts of the site is not on this machine" in tell(data)["complaint"]
    assert world.probed == []


def test_nodes_that_leave_are_drained(world: World, data: dict[str, Any], tell: Any) -> None:
    after = copy.deepcopy(data)
    del after["hosts"][GPU_2]
    for group in after["groups"].values():
        group["hosts"] = [name for name in group["hosts"] if name != GPU_2]
    found = tell(after, data)
    assert (found["leaving"], found["impact"], world.asked_jobs) == ([GPU_2], "drain", [{GPU_2}])
    away = {**after, "maintenance": {GPU_2: "fan"}}
    assert tell(away, data)["leaving"] == [GPU_2]


def test_the_controllers_say_whom_they_drain(world: World, lab_plan: SitePlan, tell: Any) -> None:
    control = json.loads(json.dumps(documents(lab_plan)["control"]))
    world.changes = {CONTROLLER: {"slurm_controller : Apply the configuration": [f"drain {GPU_1}"]}}
    found = tell(control, control)
    assert (found["impact"], world.asked_jobs) == ("drain", [{CONTROLLER, GPU_1}])
    assert [job["job"] for job in found["jobs"]] == ["12"]


def test_another_machine_in_the_slot_is_set_up_anew(world: World, data: dict[str, Any], tell: Any) -> None:
    before = copy.deepcopy(data)
    data["hosts"][GPU_1]["hostKey"] = "SHA256:new"
    before["hosts"][GPU_1]["hostKey"] = "SHA256:old"
    found = tell(data, before)
    assert found["hosts"][GPU_1]["impact"] == "reprovision"
    assert any("another machine: its hostKey changed" in line for line in found["text"])


def test_a_controller_that_says_nothing_of_jobs_is_no_failure(
    world: World, data: dict[str, Any], tell: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise OperationError("pod-a-r1-u40: squeue: no answer within 15 s")

    monkeypatch.setattr(dry_run, "running_jobs", silent)
    world.changes = {GPU_2: UPGRADE}
    found = tell(data, data)
    assert found["jobs"] == [] and "not known (pod-a-r1-u40: squeue" in found["text"][-1]


def test_secrets_are_masked(
    world: World, data: dict[str, Any], tell: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    monkeypatch.setenv("GRIDMILL_SECRET_PASSWORD", "canary-91")
    monkeypatch.setenv("GRIDMILL_PREVIEW_REPORT", str(reports))
    world.changes = {GPU_1: {"base : Write canary-91": ["file /etc/canary-91"]}}
    assert "canary" not in json.dumps(tell(data, data))
    assert "[secret]" in (reports / "pod-a.json").read_text(encoding="utf-8")


def test_a_run_that_applies_is_not_held_up_and_holds_nobody_up(world: World, data: dict[str, Any], tell: Any) -> None:
    directory = state_directory() / "sites" / "lab"
    with exclusive(directory / "pod-a.lock", "apply"):
        assert tell(data, data)["complaint"] == ""
    with exclusive(directory / "pod-a-check.lock", "check"):
        assert "is already running" in tell(data, data)["complaint"]


def test_what_is_no_document_is_status_2(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"document": {}}'))
    assert dry_run.main([]) == 2
    assert "not a converge document" in capsys.readouterr().err
