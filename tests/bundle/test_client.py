"""The runner's side of a conversation, over `sh` in place of ssh: who is lost comes back, and who is not there is told."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.bundle import client as module
from gridmill.operations.bundle.ansible_internals import PACKAGE as ANSIBLE
from gridmill.operations.bundle.client import Client, Job, Where
from gridmill.operations.bundle.code import Object, code_of
from gridmill.operations.bundle.manifest import bundle_of
from gridmill.operations.bundle.steps import HostSteps, Step
from gridmill.operations.document import Connection

PAUSE = 0.05


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True)
    kind, key, *_ = (tmp_path / "id.pub").read_text(encoding="utf-8").split()
    patched = f"\nkeys_of = lambda user: [{f'{kind} {key}'!r}]\nSYSTEMD = Path('/nowhere')\nif __name__ =="
    program = module.RECEIVER.read_text(encoding="utf-8").replace("\nif __name__ ==", patched)
    (tmp_path / "receiver.py").write_text(program, encoding="utf-8")
    monkeypatch.setattr(module, "RECEIVER", tmp_path / "receiver.py")
    monkeypatch.setattr(module, "PAUSE_S", PAUSE)
    return Client(Connection("root", tmp_path / "id", tmp_path / "known", False), "pod-a", lambda *_: None)


def work(client: Client, tmp_path: Path, seconds: str = "0.4") -> list[dict[str, Any]]:
    """One host does three tasks, the last of which writes a file; its events."""
    commands: list[list[str]] = [["sleep", seconds], ["sleep", seconds], ["sh", "-c", f"echo x >> {tmp_path}/done"]]
    steps = HostSteps(
        [
            Step(
                name="Do",
                role="",
                action="command",
                position=0,
                module="ansible.modules.command",
                rounds=[{"argv": one}],
            )
            for one in commands
        ]
    )
    code = code_of([ANSIBLE / "modules" / "command.py"])
    bundle = bundle_of("node-1", steps, code, name="pod-a", run="run-1", token=0)
    events: list[dict[str, Any]] = []
    client._on_event = lambda _, event: events.append(event)
    job = Job("192.0.2.1", lambda: bundle, Where(str(tmp_path / "state"), str(tmp_path / "run")))
    asyncio.run(client.run({"node-1": job}))
    return events


def shell(remote: str) -> list[str]:
    return ["sh", "-c", remote.replace("/usr/bin/python3", sys.executable)]


def test_a_lost_connection_is_followed_on(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def ssh(_: Connection, __: str, remote: list[str]) -> list[str]:
        tries.append(1)
        if len(tries) == 1:
            return shell(f"{remote[0]} | sed --unbuffered '/\"begin\"/q'")  # lost as soon as the first task begins
        return ["sh", "-c", "exit 255"] if len(tries) == 2 else shell(remote[0])

    monkeypatch.setattr(module, "ssh_command", ssh)
    events = work(client, tmp_path)
    assert len(tries) >= 3
    assert [event["step"] for event in events if event["event"] == "step"] == [0, 1, 2]
    assert events[-1] == {"event": "end", "ok": True}
    assert (tmp_path / "done").read_text(encoding="utf-8") == "x\n", "nothing was done twice"


def test_nobody_there_is_told_at_once(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "ssh_command", lambda *_: ["sh", "-c", "echo 'connect: No route to host' >&2; exit 255"]
    )
    (event,) = work(client, tmp_path)
    assert (event["event"], event["message"]) == ("unreachable", "connect: No route to host")


def test_an_answer_of_something_else_is_told(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ssh_command", lambda *_: ["sh", "-c", "echo welcome; cat > /dev/null"])
    (event,) = work(client, tmp_path)
    assert event["lost"] is True
    assert "unexpected output" in event["message"]


def test_stop_ends_it_after_the_task_in_hand(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ssh_command", lambda _, __, remote: shell(remote[0]))
    take = client._take

    def stop_at_first(name: str, job: Job, line: bytes) -> None:
        take(name, job, line)
        if json.loads(line)["event"] == "begin":
            client.stop()

    monkeypatch.setattr(client, "_take", stop_at_first)
    events = work(client, tmp_path, "0.6")
    assert events[-1] == {"event": "end", "ok": False, "stopped": True}
    assert not (tmp_path / "done").exists()


def test_objects_are_sent_only_where_they_lack(client: Client, tmp_path: Path) -> None:
    code = [Object(hashlib.sha256(one).hexdigest(), one) for one in (b"theirs", b"ours")]
    steps = HostSteps(contents={hashlib.sha256(b"x").hexdigest(): b"x"})
    bundle = bundle_of("node-1", steps, code, name="pod-a", run="run-1", token=0)
    sent = module._objects(bundle, {code[1].digest})
    assert b"theirs" not in sent
    assert b"ours" in sent and b'"bytes": 1}\nx' in sent
