"""A repository of sites with the real engine: up, an edit, and a newer Gridmill pinned; its previews say what each changes.

The runner of the installed Gridmill is a stand-in, and the site's SSH files are not on this machine: nobody is asked.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from benchmarks.preview import STAND_IN
from gridmill.engine.found import find_engine
from gridmill.operations.playbooks import PLACE
from tests.wheel.installation import Installation, build

pytestmark = pytest.mark.engine
NVIDIA = Path("playbooks") / PLACE / "roles" / "nvidia" / "tasks" / "main.yml"


class Repository:
    """A project whose environment has a Gridmill of its own, and a state of its own."""

    def __init__(self, place: Path, wheel: Path) -> None:
        self.gridmill = Installation.empty(place / "venv")
        self.gridmill.install(wheel)
        self.project = place / "sites"
        self.gridmill.run("gridmill", "new", "sites", "--lab", "--name", "mill", place=place)
        (self.project / ".venv").symlink_to(self.gridmill.directory)
        (place / "state").mkdir()
        secret = place / "passphrase"
        secret.write_text("of a test", encoding="utf-8")
        self.gridmill.evaluate(
            "mill", self.project, GRIDMILL_STATE=str(place / "state"), PULUMI_CONFIG_PASSPHRASE_FILE=str(secret)
        )
        self.stand_in()

    def stand_in(self) -> None:
        """The runner answers as one does whose machines were all well."""
        runner = self.gridmill.packages / "gridmill" / "operations" / "converge.py"
        real = runner.read_text(encoding="utf-8").partition('if __name__ == "__main__":')[0]
        program = textwrap.indent(STAND_IN, "    ")
        runner.write_text(f'{real}if __name__ == "__main__":\n{program}', encoding="utf-8")

    def pulumi(self, *arguments: str, status: int = 0) -> str:
        done = self.gridmill.run(
            "pulumi", *arguments, "--stack", "mill", "--non-interactive", place=self.project, status=status
        )
        return done.stdout + done.stderr

    def preview(self) -> dict[str, Any]:
        """Report of `gridmill ci preview`."""
        done = self.gridmill.run("gridmill", "ci", "preview", "mill", "--json", place=self.project, status=None)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["problems"] == [], report
        return report

    def changes(self) -> dict[str, list[str]]:
        """Inputs of changed resources, by name."""
        return {one["name"]: one["inputs"] for one in self.preview()["resources"]}

    def pin(self, wheel: Path) -> None:
        """Another Gridmill, as the guide says it."""
        self.gridmill.run("gridmill", "pin", str(wheel), place=self.project)
        self.gridmill.install(self.project / "wheels" / wheel.name)
        self.stand_in()


def test_from_the_first_up_to_a_newer_gridmill(wheel: Path, tmp_path: Path) -> None:
    assert find_engine(), "no engine is set up"
    sites = Repository(tmp_path, wheel)
    assert sites.gridmill.environment["ANSIBLE_CONFIG"] == str(sites.gridmill.packages / "gridmill" / "ansible.cfg")
    sites.pulumi("stack", "init")
    sites.pulumi("up", "--yes", "--skip-preview")
    assert sites.changes() == {}, "nothing was edited"

    said = sites.pulumi("preview", "--policy-pack", "policy", status=1)
    assert "host-keys-known" in said and "knownHostsFile" in said, "the policy pack finds the project's stack"

    stack = sites.project / "Pulumi.mill.yaml"
    text = stack.read_text(encoding="utf-8")
    assert "'2-00:00:00'" in text
    stack.write_text(text.replace("'2-00:00:00'", "'1-00:00:00'"), encoding="utf-8")
    edited = sites.changes()
    assert "stdin" in edited["mill-control-converge"], edited
    assert "mill-pod-a-converge" not in edited and "mill-storage-converge" not in edited
    stack.write_text(text, encoding="utf-8")

    sites.pin(build(tmp_path / "same", version="0.1.1"))
    assert sites.changes() == {}, "a newer version that changes no role changes nothing on machines"

    def edit(source: Path) -> None:
        role = source / NVIDIA
        role.write_text(role.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")

    sites.pin(build(tmp_path / "newer", edit, "0.2.0"))
    newer = sites.changes()
    assert "environment" in newer["mill-pod-a-converge"], "a changed role is an input of the phase that runs it"
    assert not {"mill-control-converge", "mill-storage-converge"} & set(newer), "and of no other"
    sites.pulumi("up", "--yes", "--skip-preview")
    assert sites.changes() == {}


def test_a_stack_with_problems_is_told_by_the_program(wheel: Path, tmp_path: Path) -> None:
    sites = Repository(tmp_path, wheel)
    stack = sites.project / "Pulumi.mill.yaml"
    stack.write_text(stack.read_text(encoding="utf-8").replace("24 kW", "1 kW"), encoding="utf-8")
    sites.pulumi("stack", "init")
    said = sites.pulumi("preview", status=1)
    assert "Pulumi.mill.yaml" in said and "pods.pod-a.budget" in said
