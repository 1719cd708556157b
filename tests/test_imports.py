"""One direction of dependency, read from the import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

ALLOWED: dict[str, set[str]] = {
    "gridmill.errors": set(),
    "gridmill.hostkeys": set(),
    "gridmill.openpgp": set(),
    "gridmill.units": {"gridmill.errors"},
    "gridmill.yaml_lines": {"gridmill.errors"},
    "gridmill.model": {"gridmill.errors", "gridmill.units"},
    "gridmill.catalog": {"gridmill.errors", "gridmill.units", "gridmill.yaml_lines", "gridmill.model"},
    "gridmill.rules": {"gridmill.errors", "gridmill.units", "gridmill.openpgp", "gridmill.hostkeys", "gridmill.model", "gridmill.catalog"},
    "gridmill.load": {"gridmill.errors", "gridmill.yaml_lines", "gridmill.model", "gridmill.catalog", "gridmill.rules"},
    "gridmill.plan": {"gridmill.errors", "gridmill.units", "gridmill.openpgp", "gridmill.model", "gridmill.catalog",
                      "gridmill.rules", "gridmill.load"},
    "gridmill.render": {"gridmill.errors", "gridmill.units", "gridmill.model", "gridmill.rules", "gridmill.plan"},
    "components": {"gridmill", "operations.directories", "operations.errors", "operations.playbooks",
                   "operations.record.pulumi_state", "operations.stack_facts",
                   "pulumi", "pulumi_command"},
    "policy": {"gridmill.errors", "gridmill.load", "gridmill.rules", "operations.stack_facts", "pulumi_policy"},
    "operations": {"gridmill"},
    "bundle": {"operations.document", "operations.hosts.many", "operations.hosts.ssh", "ansible"},
    "lab": {"gridmill", "operations"},
    "tools": {"operations", "pulumi", "grpc", "google"},
    "tools.reference": {"gridmill", "operations", "lab"},
    "__main__": {"gridmill", "components", "pulumi"},
}  # fmt: skip
"""What each part may import beside itself, the standard library and the libraries below."""

OURS = {"gridmill", "bundle", "components", "operations", "lab", "tools", "playbooks", "policy", "tests"}
OUTSIDE = {"pulumi", "pulumi_command", "pulumi_policy", "ansible", "grpc", "google"}
PROCESSES = {"subprocess", "socket", "urllib", "http", "os"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def part_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return max((part for part in ALLOWED if name == part or name.startswith(part + ".")), key=len, default="")


def sources(*directories: str) -> list[Path]:
    return [path for directory in directories for path in sorted((ROOT / directory).rglob("*.py"))]


@pytest.mark.parametrize("path", [ROOT / "__main__.py", *sources("gridmill", "bundle", "components", "operations", "lab", "policy", "tools")],
                         ids=lambda path: str(path.relative_to(ROOT)))  # fmt: skip
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if not part:
        assert path.name == "__init__.py", f"{path} belongs to no part"
        return
    for name in imports(path):
        top = name.split(".")[0]
        if top not in OURS | OUTSIDE or name == part or name.startswith(part + "."):
            continue
        allowed = any(name == other or name.startswith(other + ".") for other in ALLOWED[part])
        assert allowed, f"{path.relative_to(ROOT)} ({part}) imports {name}"


def test_the_core_is_pure() -> None:
    for path in sources("gridmill"):
        assert not {name.split(".")[0] for name in imports(path)} & (OUTSIDE | PROCESSES), path


def test_components_never_import_the_runner_and_nobody_imports_the_lab() -> None:
    for path in sources("gridmill", "components", "operations", "policy", "tools", "playbooks"):
        if path.parent != ROOT / "tools" / "reference":  # which describes the lab's command
            assert not any(name.split(".")[0] == "lab" for name in imports(path)), path


def test_only_the_seam_uses_pulumi_command() -> None:
    users = {path.name for path in sources("components") if any("pulumi_command" in name for name in imports(path))}
    calls = {path.name for path in sources("components") if "local.Command(" in path.read_text(encoding="utf-8")}
    assert calls == {"ansible_run.py"}
    assert users >= calls


def test_playbooks_know_only_inventory_variables() -> None:
    for path in sources("playbooks"):
        assert not {name.split(".")[0] for name in imports(path)} & {"gridmill", "components", "operations", "lab"}, (
            path
        )


def test_the_program_is_short() -> None:
    assert len((ROOT / "__main__.py").read_text(encoding="utf-8").splitlines()) < 40
