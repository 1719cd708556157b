"""What the wheel carries, and that an installed Gridmill is the same as the checkout that it was built from."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from gridmill.operations.playbooks import playbook_digest
from tests.conftest import ROOT
from tests.wheel.installation import Installation

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def requirements(name: str) -> set[str]:
    """Lines of a requirements file, without reasons and references."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line.partition("#")[0].strip() for line in lines if line.strip() and not line.startswith(("#", "-"))}


def test_dependencies_are_those_of_the_requirements() -> None:
    assert set(PROJECT["dependencies"]) == requirements("requirements.in")
    assert set(PROJECT["optional-dependencies"]["lab"]) == requirements("requirements-lab.in")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-lab.txt"])
def test_the_locks_agree_with_each_other(name: str) -> None:
    def pins(text: str) -> set[str]:
        return set(re.findall(r"^([A-Za-z0-9_.-]+==[^ \\]+)", text, re.MULTILINE))

    found = pins((ROOT / name).read_text(encoding="utf-8"))
    assert found and found <= pins((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))


def test_the_build_tool_is_the_locked_one() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    assert set(wanted) <= requirements("requirements-dev.in")


@pytest.mark.engine
def test_it_carries_the_package_and_what_stands_beside_it(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "gridmill", "components", "playbooks",
         "ci", "inventories/lab", "ansible.cfg", "requirements.txt", "requirements-lab.txt", "Pulumi.lab.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    expected = {
        name if name.startswith("gridmill/") else f"gridmill/{name}"
        for name in listed.split("\0")
        if name and (ROOT / name).exists()
    }
    found = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert expected - found == set()
    assert found - expected == {"gridmill/policy/__init__.py", "gridmill/policy/pack.py"}, "and nothing else"


@pytest.mark.engine
def test_all_of_it_is_one_import_name(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"gridmill", f"gridmill-{PROJECT['version']}.dist-info"}


@pytest.mark.engine
def test_playbooks_have_the_digest_of_the_checkout(installed: Installation, tmp_path: Path) -> None:
    """So going over from a checkout to a wheel of the same version converges no machine."""
    code = "from gridmill.operations.playbooks import playbook_digest; print(playbook_digest())"
    found = installed.run("python", "-I", "-c", code, place=tmp_path).stdout.strip()
    assert found == playbook_digest()


@pytest.mark.engine
def test_commands_outside_of_any_project_say_so(installed: Installation, tmp_path: Path) -> None:
    done = installed.run("gridmill", "plan", "lab", place=tmp_path, status=1)
    assert "no Pulumi.yaml here or in a directory above" in done.stderr
    assert "gridmill new DIR" in done.stderr


@pytest.mark.engine
def test_everything_can_be_imported(installed: Installation, tmp_path: Path) -> None:
    """No module leans on the checkout; some are programs of their own, or for another Python path."""
    code = (
        "import importlib, pkgutil, gridmill\n"
        "skipped = ('gridmill.playbooks', 'gridmill.ci', 'gridmill.engine.command_plugin', 'gridmill.lab.gpu_draw')\n"
        "names = [m.name for m in pkgutil.walk_packages(gridmill.__path__, 'gridmill.')]\n"
        "names = [n for n in names if not n.startswith(skipped) and not n.endswith('__main__')]\n"
        "for name in names: importlib.import_module(name)\n"
        "print(len(names), gridmill.__file__)\n"
    )
    count, place = installed.run("python", "-I", "-c", code, place=tmp_path).stdout.split()
    assert int(count) > 150
    assert Path(place).is_relative_to(installed.directory)
