"""One version and one licence, wherever they are said."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from gridmill.operations.cli import main
from gridmill.version import version
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
GALAXY = yaml.safe_load(
    (ROOT / "playbooks/collections/ansible_collections/gridmill/site/galaxy.yml").read_text(encoding="utf-8")
)


def test_the_version_is_the_same_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    assert re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", PROJECT["version"])
    assert GALAXY["version"] == PROJECT["version"] == version()
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"gridmill {PROJECT['version']}\n")


def test_elsewhere_it_is_the_installed_package_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: f"9.9.9 of {name}")
    assert version(tmp_path) == "9.9.9 of gridmill"


def test_the_licence_is_the_same_everywhere() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text and "Version 3, 29 June 2007" in text and len(text) > 30_000
    assert (PROJECT["license"], PROJECT["license-files"]) == ("GPL-3.0-or-later", ["LICENSE"])
    file = GALAXY.get("license_file")
    assert GALAXY.get("license") == ["GPL-3.0-or-later"] or Path(file).name == "LICENSE"


def test_the_changelog_begins_with_what_is_not_released_and_has_every_version_once() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    released = [re.fullmatch(r"([0-9.]+) \([0-9]{4}-[0-9]{2}-[0-9]{2}\)", one) for one in headings[1:]]
    assert all(released), headings
    versions = [tuple(map(int, one[1].split("."))) for one in released if one]
    assert versions == sorted(set(versions), reverse=True)
    assert all(found <= tuple(map(int, PROJECT["version"].split("."))) for found in versions)
