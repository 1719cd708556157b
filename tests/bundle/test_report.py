"""What hosts say reaches the runner as Ansible's own events do: failures, changes, what is managed, checks, the end."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from gridmill.operations.bundle.report import FAILED, UNREACHABLE, Reporter
from gridmill.operations.bundle.steps import Step
from gridmill.operations.run.results import RunResult


def step(name: str, position: int, **more: Any) -> Step:
    given = {"role": "base", "action": "ansible.builtin.template", "module": "content", "rounds": [{"dest": "/etc/x"}]}
    return Step(name=f"base : {name}", position=position, **{**given, **more})


class Told:
    """A reporter whose events a RunResult takes in."""

    def __init__(self) -> None:
        self.reporter = Reporter()
        self.stream = io.StringIO()
        self.reporter._callback._stream = self.stream

    def result(self, *hosts: str) -> RunResult:
        found = RunResult.of("pod-a", list(hosts))
        for line in self.stream.getvalue().splitlines():
            found.record(json.loads(line))
        return found


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_run_that_goes_well(told: Told) -> None:
    verify = step("Check", 1, action="gridmill.site.verify", module="verify", rounds=[{}])
    told.reporter.expect("n1", [step("Write", 0), verify])
    check = {"check": "hostname", "ok": True, "expected": "n1", "found": "n1"}
    for number, result in (
        (0, {"changed": True, "dest": "/etc/x", "checksum": "abc"}),
        (1, {"gridmill_checks": [check]}),
    ):
        told.reporter.take("n1", {"event": "begin", "step": number})
        told.reporter.take("n1", {"event": "step", "step": number, "result": result})
    told.reporter.take("n1", {"event": "end", "ok": True})
    found = told.result("n1")
    assert found.ok
    assert (found.hosts["n1"].changes, found.hosts["n1"].changed) == (["base : Write"], 1)
    assert found.hosts["n1"].items == [{"kind": "file", "name": "/etc/x", "sha1": "abc"}]
    assert told.reporter.status == 0


def test_a_failure_names_host_task_and_reason_and_the_others_finish(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    for host in ("n1", "n2"):
        told.reporter.expect(host, [step("Write", 0)])
    told.reporter.take("n1", {"event": "step", "step": 0, "result": {"failed": True, "msg": "no", "stderr": "a\nwhy"}})
    told.reporter.take("n1", {"event": "end", "ok": False})
    told.reporter.take("n2", {"event": "step", "step": 0, "result": {"changed": False}})
    told.reporter.take("n2", {"event": "end", "ok": True})
    found = told.result("n1", "n2")
    assert found.hosts["n1"].failures == ["base : Write: no (why)"]
    assert (found.hosts["n1"].finished, found.hosts["n2"].finished) == (False, True)
    assert told.reporter.status == FAILED
    assert "TASK [base : Write]\nfatal: [n1]: FAILED!" in capsys.readouterr().out


def test_what_is_secret_is_in_no_event_and_no_log(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.reporter.expect(
        "n1", [step("Key", 0, no_log=True, check=True, rounds=[{"dest": "/key", "content": "canary"}])]
    )
    told.reporter.take("n1", {"event": "begin", "step": 0})
    told.reporter.take("n1", {"event": "step", "step": 0, "result": {"changed": True, "failed": True}})
    told.reporter.take("n1", {"event": "step", "step": 0, "result": {"changed": True}})
    assert "canary" not in told.stream.getvalue() + capsys.readouterr().out
    assert told.result("n1").hosts["n1"].failures == ["base : Key: failed; its output is secret"]


@pytest.mark.parametrize(
    ("event", "status", "words"),
    [
        ({"event": "unreachable", "message": "no route"}, UNREACHABLE, "connect: Failed to connect to the host via ssh: no route"),
        ({"event": "end", "refused": True, "message": "run 7 has lost the site"}, FAILED, "bundle: run 7 has lost the site"),
        ({"event": "end", "lost": True, "message": "gone"}, FAILED, "bundle: gone"),
    ],
)  # fmt: skip
def test_what_never_began(told: Told, event: dict[str, Any], status: int, words: str) -> None:
    told.reporter.expect("n1", [step("Write", 0)])
    told.reporter.take("n1", event)
    assert told.result("n1").hosts["n1"].failures == [words]
    assert told.reporter.status == status


def test_a_stopped_host_did_not_finish(told: Told) -> None:
    told.reporter.expect("n1", [step("Write", 0)])
    told.reporter.take("n1", {"event": "end", "ok": False, "stopped": True})
    found = told.result("n1")
    assert (found.hosts["n1"].finished, found.hosts["n1"].failures, found.ok) == (False, [], False)


def test_progress_is_the_host_that_is_furthest(told: Told) -> None:
    for host in ("n1", "n2"):
        told.reporter.expect(host, [step("One", 0), step("Two", 1)])
    for host, number in (("n1", 0), ("n1", 1), ("n2", 0), ("n2", 1)):
        told.reporter.take(host, {"event": "begin", "step": number})
    tasks = [json.loads(line)["task"] for line in told.stream.getvalue().splitlines()]
    assert tasks == ["One", "Two"]
