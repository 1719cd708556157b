"""Playbooks compiled as the runner has it: an inventory as the runner writes it, and this checkout's ansible.cfg."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.bundle.ansible_internals import find_collections
from gridmill.operations.bundle.plays import Plays
from gridmill.operations.bundle.steps import Compiler

ROOT = Path(__file__).resolve().parents[2]
find_collections()

Compile = Callable[..., Compiler]


@pytest.fixture
def compiler(tmp_path: Path) -> Compile:
    """Makes the compiler of a playbook over a converge document."""

    def make(document: dict[str, Any], playbook: Path, *, check: bool = False, **secrets: str) -> Compiler:
        (tmp_path / "gridmill.json").write_text(json.dumps(document), encoding="utf-8")
        (tmp_path / "secrets.json").write_text(json.dumps(secrets), encoding="utf-8")
        return Compiler(Plays(tmp_path / "gridmill.json", playbook, check=check))

    return make


@pytest.fixture
def one_host() -> dict[str, Any]:
    """The smallest converge document."""
    connection = {"user": "root", "identityFile": "id", "knownHostsFile": "known", "become": False}
    return {
        "connection": connection, "domain": "test", "vars": {"colour": "blue"}, "groups": {},
        "hosts": {"node-1": {"address": "192.0.2.1"}},
    }  # fmt: skip
