"""A stack that is down is removed from Pulumi, and its definition is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.operations.commands import forget
from gridmill.operations.errors import OperationError

STACK = {"type": "pulumi:pulumi:Stack"}
SITE = {"type": "gridmill:index:Site"}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, ...]]:
    """Commands of Pulumi's that were run."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))

    def run(stack: str, *words: str) -> str:
        commands.append(words)
        return ""

    monkeypatch.setattr(forget, "run_pulumi_command", run)
    return commands


def state(monkeypatch: pytest.MonkeyPatch, *resources: dict[str, str]) -> None:
    monkeypatch.setattr(forget, "exported_state", lambda stack: {"deployment": {"resources": list(resources)}})


def test_a_site_that_is_down_is_forgotten_and_its_definition_kept(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "Pulumi.mine.yaml"
    file.touch()
    state(monkeypatch)
    data, text = forget.forget(str(file), tmp_path, force=False)
    assert ran == [("stack", "rm", "mine", "--yes", "--preserve-config")]
    assert data["kept"] == [str(file)] and str(file) in text and file.exists()


def test_a_site_that_stands_is_refused_without_force(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state(monkeypatch, STACK, SITE)
    with pytest.raises(OperationError, match=r"mine still has 1 resources.*pulumi destroy --stack mine"):
        forget.forget("mine", tmp_path, force=False)
    assert ran == []
    forget.forget("mine", tmp_path, force=True)
    assert ran == [("stack", "rm", "mine", "--yes", "--preserve-config", "--force")]
