"""Generations of Pulumi's state: kept before an update, refused without room, put back with consent."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from gridmill.operations.errors import OperationError
from gridmill.operations.record import pulumi_state
from gridmill.operations.record.pulumi_state import generations, keep_generation, restore_state, state_file


def state(resources: int) -> str:
    return json.dumps({"version": 3, "checkpoint": {"stack": "x", "latest": {"resources": [{}] * resources}}})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state file of stack ems1 in a file backend."""
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/backend")
    path = state_file("ems1")
    assert path == tmp_path / "backend/.pulumi/stacks/gridmill/ems1.json"
    path.parent.mkdir(parents=True)
    (tmp_path / "Pulumi.ems1.yaml").write_text("config: {}\n", encoding="utf-8")
    return path


def keep(place: Path) -> Path | None:
    return keep_generation("ems1", place.parents[4] / "Pulumi.ems1.yaml")


def test_kept_once_with_the_definition(place: Path) -> None:
    assert keep(place) is None, "a new stack has no state yet"
    place.write_text(state(3), encoding="utf-8")
    kept = keep(place)
    assert kept and kept.read_bytes() == place.read_bytes()
    assert kept.with_suffix(".yaml").read_text(encoding="utf-8") == "config: {}\n"
    assert kept.stat().st_mode & 0o077 == 0
    assert keep(place) == kept, "the same state needs no second copy"
    assert [one.whole for one in generations("ems1")] == [True]


def test_the_newest_are_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi_state, "KEPT", 2)
    ticks = iter(f"20261122T00000{number}Z" for number in range(9))
    monkeypatch.setattr("gridmill.operations.record.pulumi_state.time.strftime", lambda *_: next(ticks))
    for resources in range(4):
        place.write_text(state(resources), encoding="utf-8")
        keep(place)
    assert [one.name[:16] for one in generations("ems1")] == ["20261122T000002Z", "20261122T000003Z"]
    assert len(list(generations("ems1")[0].path.parent.iterdir())) == 4, "definitions go with their states"


def test_no_update_without_room(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write_text(state(3), encoding="utf-8")
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 20))
    with pytest.raises(OperationError, match="1 MiB free, 64 MiB are needed: a full disk cuts"):
        keep(place)


def test_a_cut_off_state_comes_back_without_a_question(place: Path) -> None:
    place.write_text(state(3), encoding="utf-8")
    keep(place)
    whole = place.read_bytes()
    place.write_bytes(whole[:20])
    with pytest.raises(OperationError, match="cut off or damaged"):
        keep(place)
    assert "with 3 resources" in restore_state("ems1", None, set())
    assert place.read_bytes() == whole
    asides = list(generations("ems1")[0].path.parent.glob("replaced-*"))
    assert [aside.read_bytes() for aside in asides] == [whole[:20]]
    assert "already" in restore_state("ems1", None, set())


def test_a_state_that_can_be_read_needs_consent(place: Path) -> None:
    place.write_text(state(3), encoding="utf-8")
    keep(place)
    newer = state(5)
    place.write_text(newer, encoding="utf-8")
    with pytest.raises(OperationError, match=r"holds 5 resources.*--consent pulumi-state"):
        restore_state("ems1", None, {"slurm"})
    assert place.read_text(encoding="utf-8") == newer
    restore_state("ems1", None, {"pulumi-state"})
    assert place.read_text(encoding="utf-8") == state(3)


def test_a_damaged_generation_is_never_put_back(place: Path) -> None:
    place.write_text(state(3), encoding="utf-8")
    kept = keep(place)
    assert kept
    kept.write_text(state(9), encoding="utf-8")
    assert [one.whole for one in generations("ems1")] == [False]
    place.unlink()
    with pytest.raises(OperationError, match="holds no whole generation of ems1"):
        restore_state("ems1", None, set())


def test_while_pulumi_works_nothing_is_replaced(place: Path) -> None:
    place.write_text(state(3), encoding="utf-8")
    keep(place)
    lock = place.parents[2] / "locks/organization/gridmill/ems1/1234.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}", encoding="utf-8")
    place.write_text("", encoding="utf-8")
    with pytest.raises(OperationError, match="locked"):
        restore_state("ems1", None, {"pulumi-state"})


def test_other_backends_keep_their_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    assert keep(place) is None
    with pytest.raises(OperationError, match="keeps its own generations"):
        restore_state("ems1", None, set())
