"""The collection's code is imported as Ansible imports it: below ansible_collections."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridmill.operations.bundle.ansible_internals import find_collections
from gridmill.operations.places import PLAYBOOKS

FIXTURES = Path(__file__).parent / "fixtures"

find_collections()


@pytest.fixture(scope="session")
def playbooks() -> Path:
    return PLAYBOOKS


@pytest.fixture(scope="session")
def recorded() -> dict[str, str]:
    """Recorded output of programs, by file name."""
    return {file.name: file.read_text(encoding="utf-8") for file in FIXTURES.iterdir()}
