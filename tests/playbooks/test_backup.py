"""The backup program against real files and real age where it is installed, a database that is a text, no systemd."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks.backup import check as newest
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from gridmill.operations.playbooks import ROLES

PROGRAM = ROLES / "backup" / "files" / "gridmill_backup.py"
NOON = 1_795_300_000.0
DAY = 86_400

pytestmark = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed (make setup)")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with its memory in a directory and a dump that is a text."""
    spec = importlib.util.spec_from_file_location("gridmill_backup", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gridmill_backup", module)
    spec.loader.exec_module(module)
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(module, "RUNTIME", tmp_path / "run")
    monkeypatch.setattr(module, "SETTLING_PAUSE_S", 0)
    monkeypatch.setattr(module, "dump", lambda _: iter([b"CREATE TABLE jobs;\n"] * 1000))
    return module


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "identity.txt"
    subprocess.run(["age-keygen", "-o", str(path)], capture_output=True, check=True)
    return path


@pytest.fixture
def settings(program: ModuleType, tmp_path: Path, identity: Path) -> Any:
    source = tmp_path / "source"
    (source / "state" / "hash.1" / "job.11").mkdir(parents=True)
    (source / "state" / "hash.1" / "job.11" / "script").write_text("#!/bin/sh\n", encoding="utf-8")
    (source / "state" / "job_state").write_bytes(b"\x01jobs")
    (source / "ledger").mkdir()
    (source / "ledger" / "pod-a.json").write_text("{}", encoding="utf-8")
    (source / "slurm.jwks").write_text("key-canary", encoding="utf-8")
    (source / "slurm.jwks").chmod(0o600)
    public = subprocess.run(["age-keygen", "-y", str(identity)], capture_output=True, text=True, check=True)
    parts = {"keys": source / "slurm.jwks", "ledger": source / "ledger", "slurm-state": source / "state"}
    return program.Settings("lab", tmp_path / "backups", False, (public.stdout.strip(),), 2, "accounts", parts)


def opened(path: Path, identity: Path) -> bytes:
    done = subprocess.run(["age", "-d", "-i", str(identity), str(path)], capture_output=True, check=True)
    return done.stdout


def test_a_generation_holds_everything_and_only_the_recipient_opens_it(
    program: ModuleType, settings: Any, identity: Path, tmp_path: Path
) -> None:
    place = program.back_up(settings, lambda: NOON)
    assert place.name == "20261121T222640Z" and (settings.directory / "latest").readlink() == Path(place.name)
    assert gzip.decompress(opened(place / program.DATABASE, identity)) == b"CREATE TABLE jobs;\n" * 1000
    with tarfile.open(fileobj=io.BytesIO(opened(place / program.FILES, identity))) as archive:
        assert {"keys", "ledger/pod-a.json", "slurm-state/hash.1/job.11/script"} <= set(archive.getnames())
    for path in place.iterdir():
        assert b"canary" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name == program.MANIFEST
    assert stat.S_IMODE(settings.directory.stat().st_mode) == 0o700
    assert not (tmp_path / "run" / "identity").exists(), "the throw-away key is gone"
    other = tmp_path / "other.txt"
    subprocess.run(["age-keygen", "-o", str(other)], capture_output=True, check=True)
    with pytest.raises(subprocess.CalledProcessError):
        opened(place / program.FILES, other)


def test_the_newest_are_kept_and_left_overs_go(program: ModuleType, settings: Any) -> None:
    (settings.directory / ".unfinished-x").mkdir(parents=True)
    names = [program.back_up(settings, lambda day=day: NOON + day * DAY).name for day in range(4)]
    assert program.generations(settings.directory) == names[-2:]
    assert sorted(path.name for path in settings.directory.iterdir()) == [*names[-2:], "latest"]
    assert [one["generation"] for one in program.listed(settings)] == names[-2:]


def failing_dump(_: str) -> Iterator[bytes]:
    yield b"CREATE"
    raise OSError("disk full")


def test_what_fails_leaves_the_former_generation_and_no_new_one(
    program: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = program.back_up(settings, lambda: NOON)
    with monkeypatch.context() as patch:
        patch.setattr(program, "dump", failing_dump)
        with pytest.raises(OSError, match="disk full"):
            program.back_up(settings, lambda: NOON + DAY)
    wrong = program.Settings(**{**vars(settings), "recipients": ("age1wrong",)})
    with pytest.raises(program.BackupError, match=r"age: .*recipient"):
        program.back_up(wrong, lambda: NOON + DAY)
    with monkeypatch.context() as patch:
        patch.setattr(program, "decrypted", lambda *_: iter([b"other"]))
        with pytest.raises(program.BackupError, match="read back is not what was written"):
            program.back_up(settings, lambda: NOON + DAY)
    with monkeypatch.context() as patch:
        patch.setattr(program, "SPARE_BYTES", 1 << 60)
        with pytest.raises(program.BackupError, match="MiB free"):
            program.back_up(settings, lambda: NOON + DAY)
    assert program.generations(settings.directory) == [first.name]
    assert (settings.directory / "latest").readlink() == Path(first.name)


def test_without_its_volume_nothing_is_written(program: ModuleType, settings: Any) -> None:
    wanted = program.Settings(**{**vars(settings), "mounted": True})
    with pytest.raises(program.BackupError, match="no volume is mounted"):
        program.back_up(wanted)
    assert not settings.directory.exists()


def test_a_dump_that_ended_early_is_none(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("fresh", PROGRAM)
    assert spec and spec.loader
    fresh = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fresh", fresh)
    spec.loader.exec_module(fresh)
    monkeypatch.setattr(fresh, "output_of", lambda _: iter([b"CREATE\n", b"-- Dump completed on 2026-11-22\n"]))
    assert b"".join(fresh.dump("x")).startswith(b"CREATE")
    monkeypatch.setattr(fresh, "output_of", lambda _: iter([b"CREATE\n"]))
    with pytest.raises(fresh.BackupError, match="ended early"):
        list(fresh.dump("x"))


def test_files_that_change_while_they_are_read_are_read_again(
    program: ModuleType, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = program.packed, [3]

    def restless(parts: dict[str, Path]) -> bytes:
        content: bytes = real(parts)
        if left[0]:
            left[0] -= 1
            (parts["slurm-state"] / "job_state").write_bytes(b"\x01" * (10 + left[0]))
        return content

    monkeypatch.setattr(program, "packed", restless)
    content, settled = program.files_archive(settings.parts)
    assert settled and left == [0]
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = archive.extractfile("slurm-state/job_state")
        assert found and found.read() == b"\x01" * 10
    left[0] = 1000
    assert program.files_archive(settings.parts)[1] is False


def packed_as(change: Callable[[tarfile.TarFile], None]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        change(archive)
    buffer.seek(0)
    return buffer


def entry(name: str, content: bytes = b"", **more: Any) -> Callable[[tarfile.TarFile], None]:
    item = tarfile.TarInfo(name)
    item.size, item.uid, item.gid = len(content), os.getuid(), os.getgid()
    for key, value in more.items():
        setattr(item, key, value)
    return lambda archive: archive.addfile(item, io.BytesIO(content))


def test_what_was_wanted_is_put_back_and_the_former_kept(program: ModuleType, settings: Any, identity: Path) -> None:
    place = program.back_up(settings, lambda: NOON)
    archive = opened(place / program.FILES, identity)
    keys, state = settings.parts["keys"], settings.parts["slurm-state"]
    keys.write_text("newer", encoding="utf-8")
    (state / "job_state").write_bytes(b"empty")
    (settings.parts["ledger"] / "pod-a.json").write_text("newer", encoding="utf-8")
    for _ in range(2):  # whoever was interrupted does it again
        program.restore_files(settings, ["keys", "slurm-state"], io.BytesIO(archive), lambda: NOON)
        former = keys.with_name("slurm.jwks.before-20261121T222640Z")
        assert keys.read_text(encoding="utf-8") == "key-canary" and stat.S_IMODE(keys.stat().st_mode) == 0o600
        assert (state / "job_state").read_bytes() == b"\x01jobs"
        assert former.exists()
        shutil.rmtree(state.with_name("state.before-20261121T222640Z"))
    assert (settings.parts["ledger"] / "pod-a.json").read_text(encoding="utf-8") == "newer", "no consent, no change"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (entry("keys/../../evil", b"x"), "which no backup makes"),
        (entry("keys//etc/evil", b"x"), "which no backup makes"),
        (entry("keys", type=tarfile.SYMTYPE, linkname="/etc/shadow"), "which no backup makes"),
        (entry("other", b"x"), "the archive has no keys"),
    ],
)
def test_an_archive_that_no_backup_makes_replaces_nothing(
    program: ModuleType, settings: Any, change: Callable[[tarfile.TarFile], None], complaint: str
) -> None:
    with pytest.raises(program.BackupError, match=complaint):
        program.restore_files(settings, ["keys"], packed_as(change))
    assert settings.parts["keys"].read_text(encoding="utf-8") == "key-canary"


def test_a_cut_off_archive_replaces_nothing(program: ModuleType, settings: Any) -> None:
    whole = packed_as(entry("keys", os.urandom(4000))).getvalue()
    with pytest.raises((EOFError, tarfile.ReadError)):
        program.restore_files(settings, ["keys"], io.BytesIO(whole[:2000]))
    assert settings.parts["keys"].read_text(encoding="utf-8") == "key-canary"


def test_check_of_the_newest(program: ModuleType, settings: Any) -> None:
    wanted = {"directory": str(settings.directory), "max_age_hours": 36}

    def on(_: list[str]) -> Result:
        return Result(0, "")

    assert newest(wanted, on)["ok"] is False
    place = program.back_up(settings, lambda: NOON)
    good = newest(wanted, on, lambda: NOON + 7200)
    assert good["ok"] is True and good["found"] == "one of 2 h ago"
    assert newest(wanted, on, lambda: NOON + 2 * DAY)["ok"] is False
    assert "not active" in newest(wanted, lambda _: Result(3, ""), lambda: NOON)["found"]
    with (place / program.DATABASE).open("ab") as file:
        file.truncate(100)
    assert "cut off" in newest(wanted, on, lambda: NOON)["found"]
    (place / program.MANIFEST).write_text("{", encoding="utf-8")
    assert newest(wanted, on, lambda: NOON)["ok"] is False


def test_the_command_line_says_what_failed(
    program: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "CONFIGURATION", tmp_path / "none.json")
    assert program.main(["run"]) == 1
    assert capsys.readouterr().err.startswith("backup: ")
    data = {"site": "lab", "directory": str(tmp_path / "b"), "mounted": False, "recipients": [], "keep": 2,
            "database": "x", "parts": {}}  # fmt: skip
    (tmp_path / "there.json").write_text(json.dumps(data), encoding="utf-8")
    monkeypatch.setattr(program, "CONFIGURATION", tmp_path / "there.json")
    assert program.main(["list"]) == 0
    assert capsys.readouterr().out == "[]\n"
