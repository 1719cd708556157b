"""One direction of dependency, read from the import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gridmill.kernel.feature import Feature
from gridmill.registry import features
from tests.conftest import ROOT

CORE = {"gridmill.core"}
CATALOG = CORE | {"gridmill.catalog"}
POWER = CATALOG | {"gridmill.power"}
KERNEL = POWER | {"gridmill.kernel"}
REGISTRY = KERNEL | {"gridmill.features", "gridmill.registry"}
WALKERS = REGISTRY | {
    "gridmill.site",
    "gridmill.problems",
    "gridmill.load",
    "gridmill.plan",
    "gridmill.phases",
    "gridmill.documents",
    "gridmill.schema",
}
PURE = WALKERS | {"gridmill.include", "gridmill.version", "gridmill.migration", "gridmill.compare", "gridmill.report"}

ALLOWED: dict[str, set[str]] = {
    "gridmill.core": set(),
    "gridmill.catalog": CORE,
    "gridmill.migration": CORE,
    "gridmill.include": CORE,
    "gridmill.version": set(),
    "gridmill.power": CATALOG,
    "gridmill.kernel": POWER,
    "gridmill.features": KERNEL,
    "gridmill.registry": KERNEL | {"gridmill.features"},
    "gridmill.site": REGISTRY,
    "gridmill.schema": REGISTRY | {"gridmill.site"},
    "gridmill.problems": KERNEL,
    "gridmill.load": REGISTRY | {"gridmill.site", "gridmill.problems", "gridmill.include"},
    "gridmill.plan": KERNEL,
    "gridmill.phases": REGISTRY,
    "gridmill.documents": REGISTRY | {"gridmill.phases"},
    "gridmill.compare": WALKERS,
    "gridmill.report": PURE,
    "components": PURE | {"gridmill.operations.directories", "gridmill.operations.errors",
                          "gridmill.operations.digests", "gridmill.operations.places", "gridmill.operations.playbooks",
                          "gridmill.operations.record.pulumi_state",
                          "gridmill.operations.stack_facts", "pulumi", "pulumi_command"},
    "policy": PURE | {"gridmill.operations.stack_facts", "pulumi_policy"},
    "gridmill.engine": {"gridmill.operations.directories", "gridmill.operations.places", "pulumi", "grpc", "google"},
    "gridmill.operations": PURE | {"gridmill.engine"},
    "gridmill.operations.bundle": {"gridmill.operations"},
    "gridmill.operations.bundle.ansible_internals": {"gridmill.operations", "ansible"},
    "gridmill.lab": PURE | {"gridmill.operations"},
    "tools": {"gridmill"},
    "__main__": PURE | {"components", "pulumi"},
}  # fmt: skip
"""What each part may import beside itself, the standard library and the libraries below."""

OURS = {"gridmill", "components", "tools", "playbooks", "policy", "tests"}
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


def pure() -> list[Path]:
    """The core: everything of gridmill that decides and does nothing."""
    doing = (ROOT / "gridmill" / "engine", ROOT / "gridmill" / "operations", ROOT / "gridmill" / "lab")
    return [path for path in sources("gridmill") if not any(path.is_relative_to(place) for place in doing)]


def sources(*directories: str) -> list[Path]:
    return [path for directory in directories for path in sorted((ROOT / directory).rglob("*.py"))]


@pytest.mark.parametrize("path", [ROOT / "__main__.py", *sources("gridmill", "components", "policy", "tools")],
                         ids=lambda path: str(path.relative_to(ROOT)))  # fmt: skip
def test_imports_go_one_way(path: Path) -> None:
    part = part_of(path)
    if not part:
        assert path.name == "__init__.py", f"{path} belongs to no part"
        return
    for name in imports(path):
        top = name.split(".")[0]
        if top not in OURS | OUTSIDE or name in {"gridmill", part} or name.startswith(part + "."):
            continue
        allowed = any(name == other or name.startswith(other + ".") for other in ALLOWED[part])
        assert allowed, f"{path.relative_to(ROOT)} ({part}) imports {name}"


@pytest.mark.parametrize("feature", features(), ids=lambda feature: feature.name)
def test_a_feature_imports_the_features_that_it_needs_and_no_others(feature: Feature) -> None:
    """And needs none that it does not import: `needs` is also the order in which plans are made."""
    used = set()
    for path in sources(f"gridmill/features/{feature.name}"):
        for name in imports(path):
            parts = name.split(".")
            if parts[:2] == ["gridmill", "features"]:
                assert len(parts) > 2, f"{path}: a feature knows others by what it imports from them"
                used.add(parts[2])
    assert used - {feature.name} == set(feature.needs)


def test_the_core_is_pure() -> None:
    for path in pure():
        assert not {name.split(".")[0] for name in imports(path)} & (OUTSIDE | PROCESSES), path


def test_components_never_import_the_runner_and_nobody_imports_the_lab() -> None:
    for path in sources("gridmill", "components", "policy", "tools", "playbooks"):
        own = path.is_relative_to(ROOT / "gridmill" / "lab")
        if not own and path.parent != ROOT / "tools" / "reference":  # which describes the lab's command
            assert not any(name.startswith("gridmill.lab") for name in imports(path)), path


def test_only_the_seam_uses_pulumi_command() -> None:
    users = {path.name for path in sources("components") if any("pulumi_command" in name for name in imports(path))}
    calls = {path.name for path in sources("components") if "local.Command(" in path.read_text(encoding="utf-8")}
    assert calls == {"ansible_run.py"}
    assert users >= calls


def test_playbooks_know_only_inventory_variables() -> None:
    for path in sources("playbooks"):
        assert not {name.split(".")[0] for name in imports(path)} & {"gridmill", "components"}, path


def test_the_program_is_short() -> None:
    assert len((ROOT / "__main__.py").read_text(encoding="utf-8").splitlines()) < 40
