"""What a phase runs as digests: a role's change concerns who runs it, and what is for people concerns nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations import digests
from gridmill.operations.places import PLAYBOOKS
from gridmill.operations.playbooks import COLLECTION
from gridmill.operations.record.ledger import host_digests, members
from tests.conftest import ROOT

Digests = Callable[[dict[str, Any]], dict[str, str]]
POD = json.loads((ROOT / "tests/golden/lab/pod-a.json").read_text(encoding="utf-8"))
CONTROL = json.loads((ROOT / "tests/golden/lab/control.json").read_text(encoding="utf-8"))
KEYS = {"playbook": "keys.yml", "groups": {}, "hosts": {}}
GPU_NODES = {"pod-a-r1-u01", "pod-a-r1-u09"}


@pytest.fixture
def playbooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the playbooks, in which things may be changed."""
    copy = tmp_path / "playbooks"
    shutil.copytree(PLAYBOOKS, copy)
    site = copy.joinpath("collections", "ansible_collections", *COLLECTION.split("."))
    monkeypatch.setattr(digests, "PLAYBOOKS", copy)
    monkeypatch.setattr(digests, "SITE", site)
    monkeypatch.setattr(digests, "ROLES", site / "roles")
    monkeypatch.setattr(digests, "role_directory", lambda name, _: site / "roles" / name)
    return site


@pytest.fixture
def taken(playbooks: Path) -> Digests:
    assert playbooks.is_dir()

    def take(document: dict[str, Any]) -> dict[str, str]:
        for function in (digests._run_digest, digests._role_digest, digests._imported):
            function.cache_clear()
        return digests.phase_digests(document)

    return take


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert set(before) == set(after)
    return {name for name in after if after[name] != before[name]}


def test_every_role_of_a_phase_has_one(taken: Digests) -> None:
    assert set(taken(POD)) == {"run", *(f"role_{one['role']}" for one in POD["roles"])}
    assert set(taken(KEYS)) == {"run", "role_slurm_keys", "role_verify"}


def test_what_is_for_people_concerns_nobody(playbooks: Path, taken: Digests) -> None:
    before = taken(POD)
    (playbooks / "roles/nvidia/README.md").write_text("another", encoding="utf-8")
    (playbooks / "README.md").write_text("another", encoding="utf-8")
    assert taken(POD) == before


@pytest.mark.parametrize(
    ("path", "roles"),
    [
        ("roles/nvidia/tasks/main.yml", {"role_nvidia"}),
        ("roles/nvidia/defaults/main.yml", {"role_nvidia"}),
        ("plugins/modules/gpu_power_limit.py", {"role_gpu_power"}),
        ("plugins/modules/fence.py", {"run"}),
    ],
)
def test_a_change_concerns_the_roles_that_run_it(playbooks: Path, taken: Digests, path: str, roles: set[str]) -> None:
    before, control = taken(POD), taken(CONTROL)
    with (playbooks / path).open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert changed(before, taken(POD)) == roles
    assert changed(control, taken(CONTROL)) == roles & set(control)


def test_shared_code_concerns_the_roles_whose_modules_import_it(playbooks: Path, taken: Digests) -> None:
    before = taken(POD)
    shared = playbooks / "plugins/module_utils/checks/nvidia.py"
    with shared.open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert changed(before, taken(POD)) == {"role_gpu_power", "role_nvidia", "role_verify"}


def test_shared_code_concerns_a_role_whose_own_modules_import_it(playbooks: Path, taken: Digests) -> None:
    library = playbooks / "roles/chrony/library"
    library.mkdir()
    shared = "ansible_collections.gridmill.site.plugins.module_utils.storage.exports"
    (library / "mine.py").write_text(f"from {shared} import text\n", encoding="utf-8")
    before = taken(POD)
    with (playbooks / "plugins/module_utils/storage/exports.py").open("a", encoding="utf-8") as file:
        file.write("\n# changed\n")
    assert "role_chrony" in changed(before, taken(POD))


def test_a_role_of_gpu_nodes_concerns_gpu_nodes_only(taken: Digests) -> None:
    """What the ledger compares; the others are as planned, and nobody connects to them."""
    found = taken(POD)
    before = host_digests(POD, {}, found)
    for role, concerned in (("nvidia", GPU_NODES), ("base", set(POD["hosts"])), ("slurm_compute", GPU_NODES)):
        after = host_digests(POD, {}, {**found, f"role_{role}": "changed"})
        assert {name for name in after if after[name] != before[name]} == concerned


def test_a_role_that_is_placed_on_gpu_nodes_concerns_gpu_nodes_only() -> None:
    other = {**POD, "roles": [*POD["roles"], {"role": "more", "hosts": "gpu:!controllers"}]}
    before, after = host_digests(POD, {}, {}), host_digests(other, {}, {})
    assert {name for name in after if after[name] != before[name]} == GPU_NODES


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("all", {"a", "b", "c"}), ("all:!controllers", {"a", "b", "c"}), ("gpu", {"a"}), ("gpu:login", {"a", "b"}),
        ("login:!gpu", {"b"}), ("nobody", set()), ("all:!gpu:!login", {"c"}),
    ],
)  # fmt: skip
def test_patterns_as_ansible_reads_them(pattern: str, found: set[str]) -> None:
    groups = {"gpu": {"hosts": ["a"]}, "login": {"hosts": ["a", "b"]}}
    assert members(pattern, {"hosts": dict.fromkeys("abc"), "groups": groups}) == found
