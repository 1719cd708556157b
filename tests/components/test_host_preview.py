"""The preview hook: whom it asks and when, what it hands on, and that nothing it meets fails a preview."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.host_preview import HostPreview
from gridmill.kernel.site_plan import SitePlan

DOCUMENT = {"scope": "pod-a", "hosts": {}}
SECRET = "GRIDMILL_SECRET_X"  # noqa: S105 - a name
ANSWER = {"waited": 2.5, "complaint": "", "unreached": {}, "unfinished": [], "hosts": {}, "text": ["pod-a: a", "  b"]}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lambda text, level=level: lines.append((level, text)))
    return lines


@pytest.fixture
def access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's SSH files, so that machines could be asked from here."""
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    monkeypatch.delenv("GRIDMILL_PREVIEW", raising=False)
    directory = tmp_path / "lab" / "lab"
    directory.mkdir(parents=True)
    for name in ("id_ed25519", "known_hosts"):
        (directory / name).touch()
    return directory


def preview(lab_plan: SitePlan, monkeypatch: pytest.MonkeyPatch, *, dry: bool = True) -> HostPreview:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: dry)
    return HostPreview.of(lab_plan.changes, lab_plan.access)


def test_machines_are_asked_in_previews_only(
    lab_plan: SitePlan, access: Path, monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    asking = preview(lab_plan, monkeypatch)
    assert (asking.enabled, asking.limit_s) == (True, 120)
    applying = preview(lab_plan, monkeypatch, dry=False)
    assert not applying.enabled and applying.hooks("x", DOCUMENT) is None
    assert said == []


def test_it_can_be_switched_off(lab_plan: SitePlan, access: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_PREVIEW", "plan")
    assert not preview(lab_plan, monkeypatch).enabled
    monkeypatch.setenv("GRIDMILL_PREVIEW", "off")
    with pytest.raises(pulumi.RunError, match="expected `plan`"):
        preview(lab_plan, monkeypatch)


def test_without_the_sites_keys_nobody_is_asked_and_it_is_said_once(
    lab_plan: SitePlan, access: Path, monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    (access / "known_hosts").unlink()
    assert not preview(lab_plan, monkeypatch).enabled
    assert said == [("info", "no machine is asked: known_hosts of the site is not on this machine")]


class Process:
    """Stands for the command."""

    def __init__(self, output: str, errors: str = "", *, hangs: bool = False) -> None:
        self.answer, self.hangs, self.killed, self.returncode = (output.encode(), errors.encode()), hangs, False, 1
        self.given: Any = None

    async def communicate(self, text: bytes) -> tuple[bytes, bytes]:
        self.given = json.loads(text)
        if self.hangs:
            await asyncio.sleep(60)
        return self.answer

    def kill(self) -> None:
        self.killed = True

    async def wait(self) -> int:
        return self.returncode


def ask(
    asking: HostPreview, process: Process, monkeypatch: pytest.MonkeyPatch, **args: Any
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Call the hook as the engine does; the command's arguments and options."""
    seen: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    async def start(*command: str, **options: Any) -> Process:
        seen.append((command, options))
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    found: Any = SimpleNamespace(**{"new_inputs": {}, "old_inputs": None, **args})
    asyncio.run(asking.predict(DOCUMENT, found))
    return seen[0] if seen else ((), {})


def test_the_command_gets_documents_digests_and_secrets_and_nothing_of_pulumi(
    monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "canary-1")
    process = Process(json.dumps(ANSWER))
    environment = {"GRIDMILL_DIGEST_ROLES": "r", SECRET: "canary-2"}
    command, options = ask(
        HostPreview(True, 120), process, monkeypatch, new_inputs={"environment": environment},
        old_inputs={"stdin": '{"scope": "before"}'},
    )  # fmt: skip
    assert command[1:3] == ("-m", "gridmill.operations.dry_run") and "canary" not in str(command)
    assert process.given == {"document": DOCUMENT, "before": {"scope": "before"}}
    assert options["env"][SECRET] == "canary-2"
    assert not [name for name in options["env"] if name.startswith("PULUMI_")]
    assert said == [("info", "pod-a: a\n  b")]


def test_machines_that_are_off_are_waited_for_once(monkeypatch: pytest.MonkeyPatch, said: list[Any]) -> None:
    asking = HostPreview(True, 120)
    first, _ = ask(asking, Process(json.dumps(ANSWER)), monkeypatch)
    second, _ = ask(asking, Process(json.dumps(ANSWER)), monkeypatch)
    assert (first[-1], second[-1]) == ("3.0", "1.0")


def test_what_is_open_is_a_warning(monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]) -> None:
    ask(HostPreview(True, 120), Process(json.dumps({**ANSWER, "unreached": {"n": "off"}})), monkeypatch)
    ask(HostPreview(True, 120), Process(json.dumps({**ANSWER, "hosts": {"n": {"failures": ["f"]}}})), monkeypatch)
    assert [level for level, _ in said] == ["warn", "warn"]


def test_nothing_that_goes_wrong_fails_the_preview(
    monkeypatch: pytest.MonkeyPatch, said: list[tuple[str, str]]
) -> None:
    monkeypatch.setattr("components.host_preview.GRACE_S", 0)
    ask(HostPreview(True, 120), Process("", "Traceback\nno such thing"), monkeypatch)
    hanging = Process("", hangs=True)
    ask(HostPreview(True, 0.05), hanging, monkeypatch)
    assert hanging.killed
    late = HostPreview(True, 1, started=-1e6)
    assert ask(late, Process(""), monkeypatch) == ((), {})
    assert said == [
        ("warn", "pod-a: no machine was asked: no such thing"),
        ("warn", "pod-a: no machine was asked: the time limit is up"),
        ("warn", "pod-a: no machine was asked: the preview's 1 s are up"),
    ]
