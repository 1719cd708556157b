"""`gridmill new` and `gridmill pin`: a repository of sites, made from an installed wheel."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.operations.cli import main
from gridmill.operations.commands.new import virtual_stack
from tests.conftest import ROOT
from tests.wheel.installation import Installation, build

pytestmark = pytest.mark.engine


def new(installed: Installation, place: Path, *arguments: str) -> Path:
    """A project in `place`/sites."""
    installed.run("gridmill", "new", "sites", *arguments, place=place)
    return place / "sites"


def plan(installed: Installation, project: Path, site: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(installed.run("gridmill", "plan", site, "--json", place=project).stdout)
    return found


def test_a_new_project_is_complete(installed: Installation, wheel: Path, tmp_path: Path) -> None:
    project = new(installed, tmp_path, "--name", "mill")
    assert installed.run("gridmill", "validate", "mill", place=project).stdout == "mill: ok, 4 nodes\n"
    assert installed.run("gridmill", "validate", "mill", place=project / "inventories" / "mill").stderr == ""
    assert plan(installed, project, "mill")["pods"][0]["hosts"][0]["name"] == "pod-a-r1-u17"
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = (project / "requirements.txt").read_text(encoding="utf-8")
    assert f"--find-links wheels\ngridmill==0.1.0 \\\n    --hash=sha256:{sha256}\n" in lock
    assert lock.endswith((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    assert (project / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    assert len((project / "__main__.py").read_text(encoding="utf-8").strip().splitlines()[1:]) <= 4
    workflow = yaml.safe_load((project / ".github/workflows/gridmill.yml").read_text(encoding="utf-8"))
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert "ci/preview.sh mill --allow live" in steps
    for step in steps:
        assert (project / step.split()[0]).stat().st_mode & 0o111, step
    schema = json.loads((project / "site.schema.json").read_text(encoding="utf-8"))
    assert schema["title"] == "Gridmill stack definition"
    written = [*list(project.rglob("*.y*ml")), project / "README.md"]
    left = [path for path in written if re.search(r"\bSITE\b|SECRETS", path.read_text(encoding="utf-8"))]
    assert len(written) == 6
    assert [path.name for path in left] == [], "the site's name stands everywhere"


def test_nothing_is_overwritten(installed: Installation, tmp_path: Path) -> None:
    project = tmp_path / "sites"
    (project / ".git").mkdir(parents=True)
    (project / "README.md").write_text("mine\n", encoding="utf-8")
    (project / "Pulumi.yaml").write_text("mine\n", encoding="utf-8")
    done = installed.run("gridmill", "new", "sites", "--name", "mill", place=tmp_path, status=1)
    assert "has Pulumi.yaml, README.md already; nothing was written" in done.stderr
    assert sorted(path.name for path in project.iterdir()) == [".git", "Pulumi.yaml", "README.md"]
    (project / "README.md").unlink()
    (project / "Pulumi.yaml").unlink()
    assert new(installed, tmp_path, "--name", "mill", "--ci", "gitlab") == project, "a fresh repository is fine"
    assert (project / ".gitlab-ci.yml").exists() and not (project / ".github").exists()


@pytest.mark.parametrize("name", ["New", "a--b", "-x", "a" * 25, "a/b", ""])
def test_a_name_that_no_site_can_have(name: str, installed: Installation, tmp_path: Path) -> None:
    directory = "Bad" if not name else "sites"
    arguments = ["--name", name] if name else []
    done = installed.run("gridmill", "new", directory, *arguments, place=tmp_path, status=None)
    assert done.returncode != 0
    assert list(tmp_path.iterdir()) == []


def test_the_virtual_site_in_a_repository(installed: Installation, tmp_path: Path) -> None:
    project = new(installed, tmp_path, "--lab")
    found = plan(installed, project, "lab")
    assert found["simulated"] is True
    text = (project / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    assert "encryptionsalt" not in text and "$schema=./site.schema.json" in text
    lock = (project / "requirements.txt").read_text(encoding="utf-8")
    assert "gridmill[lab]==0.1.0" in lock and "\npymodbus==" in lock
    done = installed.run("lab", "status", "--json", place=project, status=None)
    assert json.loads(done.stdout)["site"] == "lab", done.stderr


def test_another_virtual_site_keeps_its_state_apart(installed: Installation, tmp_path: Path) -> None:
    project = new(installed, tmp_path, "--lab", "--name", "second")
    found = plan(installed, project, "second")
    assert found["domain"] == "second.gridmill.test"
    assert found["access"]["identity_file"] == "{state}/lab/second/id_ed25519"
    assert "lab/lab/" not in virtual_stack("second")


def test_ansible_finds_site_and_playbooks(installed: Installation, tmp_path: Path) -> None:
    project = new(installed, tmp_path, "--lab")
    config = installed.packages / "gridmill" / "ansible.cfg"
    path = {"ANSIBLE_CONFIG": str(config), "GRIDMILL_STATE": str(tmp_path / "state")}
    by_hand = Installation(installed.directory, {**installed.environment, **path})
    graph = by_hand.run("ansible-inventory", "-i", "inventories/lab", "--graph", place=project).stdout
    assert "  |--@gpu:\n  |  |--pod-a-r1-u01\n" in graph
    playbook = str(config.parent / "playbooks" / "site.yml")
    listed = by_hand.run("ansible-playbook", "-i", "inventories/lab", playbook, "--list-tasks", place=project).stdout
    assert "Run the roles of the phase" in listed


def test_without_a_hash_nothing_is_made(installed: Installation, wheel: Path, tmp_path: Path) -> None:
    """Installed from an index, or from a file that is another one by now: then somebody has to name the wheel."""
    copied = Installation.empty(tmp_path / "venv")
    file = tmp_path / wheel.name
    shutil.copyfile(wheel, file)
    copied.install(file)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("gridmill/more.txt", "x")
    done = copied.run("gridmill", "new", "sites", "--name", "mill", place=tmp_path, status=1)
    assert "is not what this Gridmill was installed from any more" in done.stderr
    file.unlink()
    done = copied.run("gridmill", "new", "sites", "--name", "mill", place=tmp_path, status=1)
    assert f"{file}, which this Gridmill was installed from, is gone" in done.stderr
    (note,) = copied.packages.glob("gridmill-*.dist-info/direct_url.json")
    text = note.read_text(encoding="utf-8")
    note.unlink()
    done = copied.run("gridmill", "new", "sites", "--name", "mill", place=tmp_path, status=1)
    assert "nobody noted the hash" in done.stderr and "--wheel FILE" in done.stderr
    assert not (tmp_path / "sites").exists()
    note.write_text(text.replace(f"file://{file}", "https://wheels.example/gridmill.whl"), encoding="utf-8")
    project = new(copied, tmp_path, "--name", "mill")
    lock = (project / "requirements.txt").read_text(encoding="utf-8")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert f"gridmill @ https://wheels.example/gridmill.whl \\\n    --hash=sha256:{sha256}\n" in lock
    assert not (project / "wheels").exists()


def test_a_newer_wheel_is_pinned_with_its_own_lock(installed: Installation, wheel: Path, tmp_path: Path) -> None:
    def edit(source: Path) -> None:
        lock = source / "requirements.txt"
        lock.write_text(lock.read_text(encoding="utf-8").replace("tzdata==2026.6", "tzdata==2027.1"), encoding="utf-8")

    project = new(installed, tmp_path, "--name", "mill")
    newer = build(tmp_path / "newer", edit, "0.2.0")
    installed.run("gridmill", "pin", str(newer), place=project / "inventories")
    assert "gridmill==0.2.0\n" in (project / "requirements.in").read_text(encoding="utf-8")
    lock = (project / "requirements.txt").read_text(encoding="utf-8")
    assert f"gridmill==0.2.0 \\\n    --hash=sha256:{hashlib.sha256(newer.read_bytes()).hexdigest()}\n" in lock
    assert "tzdata==2027.1" in lock, "what the new wheel needs, as it says itself"
    assert [path.name for path in (project / "wheels").iterdir()] == [newer.name]
    installed.run("gridmill", "pin", "--index", str(wheel), place=project)
    assert "--find-links" not in (project / "requirements.txt").read_text(encoding="utf-8")
    assert list((project / "wheels").iterdir()) == []


def test_packages_of_ones_own_are_locked_by_whoever_added_them(
    installed: Installation, wheel: Path, tmp_path: Path
) -> None:
    project = new(installed, tmp_path, "--name", "mill")
    before = (project / "requirements.txt").read_text(encoding="utf-8")
    source = project / "requirements.in"
    source.write_text(source.read_text(encoding="utf-8") + "gridmill-motd==1.0\n", encoding="utf-8")
    done = installed.run("gridmill", "pin", str(wheel), place=project)
    assert "uv pip compile" in done.stdout
    assert (project / "requirements.txt").read_text(encoding="utf-8") == before
    assert "gridmill-motd==1.0\n" in source.read_text(encoding="utf-8")


def test_what_is_no_wheel_of_gridmill(
    installed: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "x.whl"
    text.write_text("x", encoding="utf-8")
    other = tmp_path / "y.whl"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("y-1.dist-info/METADATA", "Name: y\nVersion: 1\n")
    for file in (text, other):
        assert main(["new", str(tmp_path / "sites"), "--name", "mill", "--wheel", str(file)]) == 1
        assert f"{file} is no wheel of Gridmill" in capsys.readouterr().err
    assert main(["new", str(tmp_path / "sites"), "--name", "mill"]) == 1
    assert "this Gridmill is a checkout" in capsys.readouterr().err
    assert not (tmp_path / "sites").exists()
