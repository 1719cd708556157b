"""One wheel of this checkout, and one virtual environment with it, for all tests here that change neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.wheel.installation import Installation, build


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation.empty(tmp_path_factory.mktemp("installed") / "venv")
    made.install(wheel)
    return made
