"""Every task that can change a machine says what that means for jobs, and only such tasks do."""

from __future__ import annotations

import pytest

from gridmill.core.impact import CLASSES
from gridmill.operations.playbooks import ROLES as ROLES_PLACE
from gridmill.operations.preview.impact import NOT_DECLARED, declared, impact_of
from tests.playbooks.test_roles import ROLES, every_task, load

SILENT = {"verify", "acceptance", "ansible.builtin.import_tasks", "ansible.builtin.include_tasks"}
"""Modules that change nothing by themselves."""


def changing(role: str) -> list[str]:
    files = sorted((ROLES_PLACE / role / "tasks").glob("*.yml"))
    tasks = [task for file in files for task in every_task(load(file))]
    return [task["name"] for task in tasks if "block" not in task and not SILENT & set(task)]


@pytest.mark.parametrize("role", ROLES)
def test_every_task_that_can_change_says_what_it_means(role: str) -> None:
    names = changing(role)
    assert len(names) == len(set(names)), "a task is known by its name"
    assert sorted(declared(role)) == sorted(names)
    for entry in declared(role).values():
        assert set(entry) <= {"impact", "why", "but"}
        for one in (entry, *entry.get("but", {}).values()):
            assert one["impact"] in CLASSES and len(one["why"]) > 5 and not one["why"].endswith(".")


def test_what_a_task_changes_can_make_it_worse() -> None:
    install = ("nvidia", "Install packages")
    assert impact_of(*install, ["package nvidia-smi 550"]).impact == "live"
    assert impact_of(*install, ["package x 1", "package nvidia-smi 550 -> 560"]).impact == "drain"
    assert impact_of("storage_mounts", "Mount volumes", ["unmount /scratch; its data stay on x"]).impact == "drain"
    assert impact_of("base", "Set parameters of the boot line", []).impact == "reboot"


def test_a_task_that_says_nothing_counts_as_drain() -> None:
    found = impact_of("base", "Some task of tomorrow", [])
    assert (found.impact, found.why) == ("drain", NOT_DECLARED)


def test_nothing_else_lies_beside_the_declarations() -> None:
    found = {path.name for path in ROLES_PLACE.glob("*/meta/*")}
    assert found == {"argument_specs.yml", "impact.yml"}
