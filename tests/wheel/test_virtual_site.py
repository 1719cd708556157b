"""The whole way in a repository of one's own: from the wheel to a virtual site that is up, an edit, and a newer Gridmill
pinned, whose preview asks the machines what it changes on them.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.directories import state_directory
from gridmill.operations.playbooks import PLACE
from tests.e2e.only_run import AnotherRunError, only_run
from tests.wheel.installation import Installation, build

pytestmark = pytest.mark.lab
NAME = "own"
SUBSTITUTIONS = {
    "198.18.0.0/20": "198.19.32.0/20",
    "address: 198.18.0.": "address: 198.19.32.",
    "2001:2::/56": "2001:2:0:200::/56",
}
"""Addresses that neither the lab nor the site of the other tests has."""
ROLES = Path("playbooks") / PLACE / "roles"


class OwnSite:
    """A project, and its virtual site."""

    def __init__(self, base: Path, wheel: Path) -> None:
        self.state = base / "state"
        self.project = base / "sites"
        self.gridmill = Installation.empty(base / "venv")
        self.gridmill.install(wheel)
        self.gridmill.run("gridmill", "new", "sites", "--lab", "--name", NAME, place=base)
        (self.project / ".venv").symlink_to(self.gridmill.directory)
        self.stack = self.project / f"Pulumi.{NAME}.yaml"
        for old, new in SUBSTITUTIONS.items():
            self.edit(old, new)
        secret = base / "passphrase"
        secret.write_text("of a test", encoding="utf-8")
        self.gridmill.evaluate(
            NAME, self.project, GRIDMILL_STATE=str(self.state), PULUMI_CONFIG_PASSPHRASE_FILE=str(secret)
        )

    def edit(self, old: str, new: str) -> None:
        """Change the definition wherever something stands in it."""
        text = self.stack.read_text(encoding="utf-8")
        assert old in text, old
        self.stack.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *command: str, status: int | None = 0) -> str:
        return self.gridmill.run(*command, place=self.project, status=status).stdout

    def lab(self, command: str, *more: str, status: int | None = 0) -> str:
        return self.run("lab", command, "--stack", self.stack.name, *more, status=status)

    def up(self) -> None:
        self.run("pulumi", "up", "--yes", "--skip-preview", "--stack", NAME, "--non-interactive")

    def preview(self) -> dict[str, Any]:
        """Report of `gridmill ci preview`, which asks the machines."""
        report: dict[str, Any] = json.loads(self.run("gridmill", "ci", "preview", NAME, "--json", status=None))
        assert report["problems"] == [], report
        return report

    def predicted(self) -> dict[str, set[str]]:
        """Tasks that a preview says would change something, by machine."""
        found: dict[str, set[str]] = {}
        for phase in self.preview()["phases"]:
            assert not phase["unreached"] and not phase["complaint"], phase
            for name, host in phase["hosts"].items():
                tasks = {change["task"] for change in host["changes"]}
                if tasks:
                    found.setdefault(name, set()).update(tasks)
        return found


@pytest.fixture(scope="module")
def site(wheel: Path) -> Iterator[OwnSite]:
    """The site, racked; its place is fixed, so that what a killed run left is found."""
    base = state_directory().with_name("gridmill-tests-wheel")
    try:
        with only_run(base):
            shutil.rmtree(base, ignore_errors=True)
            base.mkdir(parents=True)
            made = OwnSite(base, wheel)
            try:
                made.lab("up")
                made.run("pulumi", "stack", "init", NAME)
                yield made
            finally:
                made.lab("down")
    except AnotherRunError as error:
        pytest.exit(str(error), returncode=2)


def test_the_site_of_a_new_repository_comes_up(site: OwnSite) -> None:
    site.up()
    summary = json.loads(site.run("pulumi", "stack", "output", "site", "--json", "--stack", NAME))
    assert summary["acceptance"]["ok"] is True
    assert site.predicted() == {}, "the next preview has nothing to say"


def test_plain_ansible_reaches_its_machines(site: OwnSite) -> None:
    said = site.run("ansible", "-i", f"inventories/{NAME}", "gpu", "-m", "ping")
    assert said.count('"ping": "pong"') == 2
    playbook = f"{site.gridmill.environment['ANSIBLE_CONFIG'].rpartition('/')[0]}/playbooks/site.yml"
    command = ["ansible-playbook", "-i", f"inventories/{NAME}", playbook, "--check", "--limit", "controllers"]
    recap = site.run(*command).rpartition("PLAY RECAP")[2]
    assert "failed=0" in recap and "changed=0" in recap, "by hand Ansible finds what the run left"


def test_an_edit_is_previewed_on_the_machines(site: OwnSite) -> None:
    site.edit("'2-00:00:00'", "'1-00:00:00'")
    predicted = site.predicted()
    assert list(predicted) == ["pod-a-r1-u40"], predicted
    site.up()
    assert site.predicted() == {}


def test_a_newer_gridmill_says_what_it_changes(site: OwnSite, tmp_path: Path) -> None:
    """A line more in a file of every machine: its role is chrony's."""

    def change(source: Path) -> None:
        template = source / ROLES / "chrony" / "templates" / "chrony.conf.j2"
        template.write_text(template.read_text(encoding="utf-8") + "\n# of a newer Gridmill\n", encoding="utf-8")

    newer = build(tmp_path, change, "0.2.0")
    site.run("gridmill", "pin", str(newer))
    site.gridmill.install(site.project / "wheels" / newer.name)
    predicted = site.predicted()
    assert len(predicted) == 4, "all machines have that file"
    assert {task for tasks in predicted.values() for task in tasks if "chrony" not in task.lower()} == set(), predicted
    site.up()
    assert site.predicted() == {}
    assert "of a newer Gridmill" in site.lab("ssh", "pod-a-r1-u01", "cat", "/etc/chrony/chrony.conf")
