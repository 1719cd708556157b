"""A machine's side: receiver and runner as they are started there, in directories of the test's own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.bundle import receiver as bundle_receiver
from ansible_collections.gridmill.site.plugins.module_utils.bundle.receiver import Receiver, RefusedError

from gridmill.operations.bundle.code import Object, code_of
from gridmill.operations.bundle.manifest import SCHEMA, signed

NAME, RUN = "pod-a", "run-1"


@cache
def code_once() -> list[Object]:
    return code_of([])


class Machine:
    """What one connection after the other does on a machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.key = directory / "id"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)
        self.code = code_once()
        self.place = directory / "run" / "bundle" / NAME

    def manifest(self, steps: list[dict[str, Any]], contents: list[Object], **more: Any) -> str:
        return json.dumps(
            {"schema": SCHEMA, "name": NAME, "run": RUN, "host": "node-1", "token": 0, "ansible": "2", "skipped": {},
             "steps": steps, "code": [one.digest for one in self.code], "contents": [one.digest for one in contents],
             **more}
        )  # fmt: skip

    def request(self, **more: Any) -> dict[str, Any]:
        where = {"state": str(self.directory / "state"), "runtime": str(self.directory / "run")}
        return {"action": "run", "name": NAME, "run": RUN, **where, **more}

    def converse(self, request: dict[str, Any], objects: list[Object], last: bytes = b"done\n") -> list[dict[str, Any]]:
        """Everything that is said; `last` is what the other side says at the end."""
        said = self.directory / "said"
        parts = [
            json.dumps({"object": one.digest, "bytes": len(one.content)}).encode() + b"\n" + one.content
            for one in objects
        ]
        said.write_bytes(b"".join([*parts, b"{}\n" * (request["action"] == "run"), last]))
        out = io.BytesIO()
        with said.open("rb", buffering=0) as source:
            Receiver(request, source, out).answer()
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def run(
        self, steps: list[dict[str, Any]], *contents: bytes, last: bytes = b"", **more: Any
    ) -> list[dict[str, Any]]:
        """One run; the events of it."""
        objects = [Object(hashlib.sha256(one).hexdigest(), one) for one in contents]
        text = self.manifest(steps, objects, **more)
        request = self.request(manifest=text, signature=signed(text, self.key))
        self.converse(request, [*self.code, *objects])
        return self.follow(0)

    def follow(self, offset: int) -> list[dict[str, Any]]:
        """Follow on until the end, over as many connections as it takes."""
        for _ in range(100):
            found = self.converse({**self.request(), "action": "follow", "offset": offset}, [], b"")
            if found and found[-1]["event"] == "end":
                return found[1:]
            time.sleep(0.1)
        raise AssertionError("the runner has not ended")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine(tmp_path)
    kind, key, *_ = (tmp_path / "id.pub").read_text(encoding="utf-8").split()
    monkeypatch.setattr(bundle_receiver, "keys_of", lambda _: [f"{kind} {key}"])
    monkeypatch.setattr(bundle_receiver, "SYSTEMD", tmp_path / "no-systemd")
    return found


def content(dest: Path, text: bytes, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256(text).hexdigest()
    return {
        "module": "content",
        "rounds": [{"dest": str(dest), "mode": "0640", "content": digest, "basename": "x"}],
        **more,
    }


def results(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["result"] for event in events if event["event"] == "step"]


def test_steps_run_and_know_results(machine: Machine, tmp_path: Path) -> None:
    file, made = tmp_path / "file", tmp_path / "made"
    steps = [
        content(file, b"new\n", register="__file"),
        {"module": "ansible.modules.file", "rounds": [{"path": str(made), "state": "directory", "mode": "0700"}],
         "when": [["test", "changed", ["result", "__file"]]]},
        {"module": "ansible.modules.command", "rounds": [{"argv": ["false"]}],
         "when": [["not", ["test", "changed", ["result", "__file"]]]]},
        {"module": "ansible.modules.file", "rounds": [{"path": str(tmp_path / name), "state": "touch"} for name in "ab"],
         "loop": True},
    ]  # fmt: skip
    events = machine.run(steps, b"new\n")
    assert events[-1] == {"event": "end", "ok": True}
    first, second, third, fourth = results(events)
    assert (first["changed"], first["checksum"]) == (True, hashlib.sha1(b"new\n", usedforsecurity=False).hexdigest())
    assert second["changed"] is True
    assert third == {"changed": False, "skipped": True}
    assert [one["changed"] for one in fourth["results"]] == [True, True]
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new\n", 0o640)
    assert made.is_dir()
    again = results(machine.run([steps[0]], b"new\n"))
    assert again[0]["changed"] is False


def test_a_failure_ends_it(machine: Machine, tmp_path: Path) -> None:
    steps = [
        {"module": "ansible.modules.command", "rounds": [{"argv": ["sh", "-c", "echo why >&2; exit 3"]}]},
        content(tmp_path / "never", b"x"),
    ]
    events = machine.run(steps, b"x")
    assert events[-1] == {"event": "end", "ok": False}
    assert (results(events)[0]["rc"], results(events)[0]["stderr"]) == (3, "why")
    assert not (tmp_path / "never").exists()


def test_what_the_system_refuses_a_module_is_its_message(machine: Machine) -> None:
    """A full disk, say: no trace of the program's inside."""
    events = machine.run(
        [
            {
                "module": "ansible_collections.gridmill.site.plugins.modules.key_file",
                "rounds": [{"path": "/proc/none/key", "owner": "root"}],
            }
        ]
    )
    result = results(events)[0]
    assert result["failed"] is True and "No such file or directory: '/proc/none" in result["msg"], result


def test_check_mode_shows_and_changes_nothing(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"old\n")
    (found,) = results(machine.run([content(file, b"new\n", check=True, diff=True)], b"new\n"))
    assert found["changed"] is True
    assert found["diff"] == [
        {"before_header": str(file), "after_header": str(file), "before": "old\n", "after": "new\n"}
    ]
    assert file.read_bytes() == b"old\n"


def test_secrets_stay_in_memory_and_go_with_the_run(machine: Machine, tmp_path: Path) -> None:
    owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0"  # noqa: S105 - made up
    steps = [
        {"module": "ansible_collections.gridmill.site.plugins.modules.key_file", "no_log": True,
         "rounds": [{"path": str(tmp_path / "key"), "owner": owner, "content": secret}]},
        content(tmp_path / "secret", secret.encode(), no_log=True, check=True, diff=True),
    ]  # fmt: skip
    events = machine.run(steps, secret.encode())
    assert results(events) == [{"changed": True}, {"changed": True}]
    left = [path for path in machine.place.rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"lock", "events", "errors"}
    for path in [*left, *(tmp_path / "state").rglob("*.zip")]:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert secret.encode() not in path.read_bytes()


def test_the_next_connection_follows_on_and_the_last_cleans_up(machine: Machine) -> None:
    steps = [{"module": "ansible.modules.command", "rounds": [{"argv": ["sleep", "0.3"]}]} for _ in range(3)]
    events = machine.run(steps)
    first = len(json.dumps(events[0])) + 1
    rest = machine.converse({**machine.request(), "action": "follow", "offset": first}, [])
    assert rest[1:] == events[1:]
    assert not machine.place.exists()
    gone = machine.converse({**machine.request(), "action": "follow", "offset": first}, [])
    assert gone[-1]["lost"] is True


def test_what_was_killed_long_ago_is_forgotten(machine: Machine) -> None:
    old, new = machine.place.parent / "pod-a-check-0", machine.place.parent / "pod-a-check-1"
    machine.run([])
    for place in (old, new):
        place.mkdir()
    os.utime(old, (0, 0))
    machine.converse({**machine.request(), "action": "follow", "offset": 0}, [])
    assert (old.exists(), new.exists()) == (False, True)


def test_code_in_use_is_never_removed_and_old_code_is(machine: Machine, tmp_path: Path) -> None:
    """Ansible loads parts of its code as late as a module ends: what other phases run must stay where it is."""
    machine.run([])
    first = machine.code
    kept, code = tmp_path / "state" / "bundle", tmp_path / "run" / "code"
    for number in range(6):
        extra = tmp_path / f"module_{number}.py"
        extra.write_text(f"NUMBER = {number}\n", encoding="utf-8")
        machine.code = code_of([extra])
        machine.run([])
    there = {path.stem for path in kept.glob("*.zip")}
    assert len(there) == 2 + 6 and {path.name for path in code.iterdir()} == there
    for path in kept.glob("*.zip"):
        os.utime(path, (0, 0) if path.stem not in {one.digest for one in first} else None)
    extra.write_text("NUMBER = 7\n", encoding="utf-8")
    machine.code = code_of([extra])
    machine.run([])
    left = {path.stem for path in kept.glob("*.zip")}
    assert {one.digest for one in machine.code} <= left and len(left) == 4
    assert {path.name for path in code.iterdir()} == left


def test_a_new_run_has_the_one_before_end_after_its_task(machine: Machine, tmp_path: Path) -> None:
    slow = [
        {"module": "ansible.modules.command", "rounds": [{"argv": ["sleep", "1.5"]}]},
        content(tmp_path / "old", b"x"),
    ]
    objects = [Object(hashlib.sha256(b"x").hexdigest(), b"x")]
    text = machine.manifest(slow, objects)
    machine.converse(
        machine.request(manifest=text, signature=signed(text, machine.key)), [*machine.code, *objects], b""
    )
    while not (machine.place / "events").exists():
        time.sleep(0.02)
    started = time.monotonic()
    events = machine.run([content(tmp_path / "new", b"x")], b"x")
    assert events[-1]["ok"] is True
    assert time.monotonic() - started > 0.5, "the task in hand was waited for"
    assert (tmp_path / "new").exists()
    assert not (tmp_path / "old").exists()


def refused(machine: Machine, why: str, **more: Any) -> None:
    text = more.pop("text", None) or machine.manifest(
        [content(machine.directory / "never", b"x")], [], **more.pop("manifest", {})
    )
    request = machine.request(manifest=text, signature=signed(text, more.pop("key", machine.key)), **more)
    with pytest.raises(RefusedError, match=why):
        machine.converse(request, more.get("objects", machine.code))
    assert not (machine.place / "events").exists()
    assert not (machine.directory / "never").exists()


def test_another_key_is_refused(machine: Machine, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "other"], check=True)
    refused(machine, "not signed by a key", key=tmp_path / "other")


def test_an_edited_manifest_is_refused(machine: Machine) -> None:
    text = machine.manifest([content(machine.directory / "never", b"x")], [])
    request = machine.request(manifest=text.replace("0640", "0777"), signature=signed(text, machine.key))
    with pytest.raises(RefusedError, match="not signed by a key"):
        machine.converse(request, machine.code)


def test_a_bundle_of_another_run_is_refused(machine: Machine) -> None:
    refused(machine, "another one than was asked for", manifest={"run": "run-0"})


def test_a_run_that_has_lost_the_site_is_refused(machine: Machine) -> None:
    (machine.directory / "state").mkdir()
    (machine.directory / "state" / "fence").write_text("8\n", encoding="ascii")
    refused(machine, "run 7 has lost the site: run 8", manifest={"token": 7})


def test_an_object_that_is_not_what_was_signed_is_refused(machine: Machine) -> None:
    first, second = machine.code
    machine.code = [first, Object(second.digest, second.content + b"x")]
    refused(machine, "is not what was signed")


def test_a_missing_object_is_refused(machine: Machine) -> None:
    wanted = Object(hashlib.sha256(b"x").hexdigest(), b"x")
    text = machine.manifest([content(machine.directory / "never", b"x")], [wanted])
    with pytest.raises(RefusedError, match="objects are missing"):
        machine.converse(machine.request(manifest=text, signature=signed(text, machine.key)), machine.code)


def test_code_that_was_damaged_is_asked_for_again(machine: Machine, tmp_path: Path) -> None:
    machine.run([content(tmp_path / "file", b"x")], b"x")
    text = machine.manifest([], [])
    request = machine.request(manifest=text, signature=signed(text, machine.key))
    assert machine.converse(request, [])[0] == {"event": "missing", "objects": []}
    machine.follow(0)
    damaged = tmp_path / "state" / "bundle" / f"{machine.code[1].digest}.zip"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert machine.converse(request, [machine.code[1]])[0] == {"event": "missing", "objects": [machine.code[1].digest]}
    assert machine.follow(0)[-1]["ok"] is True
