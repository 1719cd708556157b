"""The package that brings the library to a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.nvml.conftest import SOURCES


def build(directory: Path) -> Path:
    done = subprocess.run([str(SOURCES / "build.sh"), str(directory)], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("package"))


def field(package: Path, name: str) -> str:
    shown = subprocess.run(["dpkg-deb", "--field", str(package), name], check=True, capture_output=True, text=True)
    return shown.stdout.strip()


def test_it_builds_the_same_bytes_again(package: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "again").read_bytes() == package.read_bytes()


def test_it_takes_the_place_of_the_real_library(package: Path) -> None:
    assert "libnvidia-ml1 (= 550.163.01-2)" in field(package, "Provides")
    assert field(package, "Conflicts") == "libnvidia-ml1"
    assert "simulated" in field(package, "Description").splitlines()[0]


def test_it_can_be_built_for_another_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_NVML_FOR", "550.163.02-1~deb13u1")

    other = build(tmp_path)

    assert "libnvidia-ml1 (= 550.163.02-1~deb13u1)" in field(other, "Provides")
    assert "libnvidia-ml.so.1 (= 550.163.02)" in field(other, "Provides")


def test_it_holds_the_library_and_what_keeps_the_real_one_out(package: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "--extract", str(package), str(tmp_path)], check=True)

    (link,) = tmp_path.glob("usr/lib/*/libnvidia-ml.so.1")
    assert link.resolve().name == "libnvidia-ml.so.550.163.01"
    assert link.resolve().read_bytes()[:4] == b"\x7fELF"
    preference = (tmp_path / "etc/apt/preferences.d/gridmill-lab-libnvidia-ml1.pref").read_text()
    assert "Package: libnvidia-ml1\n" in preference
    assert "Pin-Priority: -1\n" in preference
