"""The modules' shared code is imported as Ansible imports it: below ansible.module_utils."""

from __future__ import annotations

from pathlib import Path

import ansible.module_utils
import pytest

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
FIXTURES = Path(__file__).parent / "fixtures"

ansible.module_utils.__path__.append(str(PLAYBOOKS / "plugins" / "module_utils"))


@pytest.fixture(scope="session")
def playbooks() -> Path:
    return PLAYBOOKS


@pytest.fixture(scope="session")
def recorded() -> dict[str, str]:
    """Recorded output of programs, by file name."""
    return {file.name: file.read_text(encoding="utf-8") for file in FIXTURES.iterdir()}
