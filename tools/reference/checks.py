"""docs/reference/checks.md: every check of `verify`, from its code and from the sample sites' plans."""

from __future__ import annotations

import ast
from pathlib import Path

from gridmill.documents import documents
from gridmill.load import load_definition
from gridmill.operations.places import TOOLKIT
from gridmill.operations.playbooks import SITE
from gridmill.plan import plan_site
from tools.reference.markdown import code, page, table

INTRODUCTION = """\
What `verify` asks of a machine, at the end of every run that concerns it; one that does not hold fails the run, and a
tool that gives no answer is no pass. `hardware`: asked before services start, too. `waits`: may take a while to become
true after a service started. The values are filled by the plan;
[the role's README](../../playbooks/collections/ansible_collections/gridmill/site/roles/verify/README.md) lists them."""

SITES = ("lab", "ems1")


def checks_page(root: Path) -> str:
    """The page; `root` is the checkout."""
    directory = root / SITE.relative_to(TOOLKIT) / "plugins" / "module_utils"
    module = ast.parse((directory / "checks" / "verification.py").read_text(encoding="utf-8"))
    files = _files(module, directory)
    hardware, services = _functions(module, "HARDWARE"), _functions(module, "SERVICES")
    waits = {node.value for node in ast.walk(_value(module, "SETTLES")) if isinstance(node, ast.Constant)}
    planned = _planned(root)
    rows = [
        (
            code(name),
            _docstring(files, function),
            ", ".join(filter(None, ("hardware" if name in hardware else "", "waits" if name in waits else ""))),
            ", ".join(sorted(planned.get(name, ()))),
        )
        for name, function in {**hardware, **services}.items()
    ]
    return page("Checks", INTRODUCTION, [table(("check", "holds when", "stage", "in the sample sites, on"), rows)])


def _value(module: ast.Module, name: str) -> ast.expr:
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
            assert node.value  # noqa: S101 - tables have values
            return node.value
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return node.value
    raise LookupError(f"verification.py has no {name}")


def _functions(module: ast.Module, name: str) -> dict[str, str]:
    """`module.function` by the name of the check."""
    value = _value(module, name)
    assert isinstance(value, ast.Dict)  # noqa: S101 - as verification.py has it
    return {
        str(key.value): ast.unparse(function)
        for key, function in zip(value.keys, value.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def _files(module: ast.Module, directory: Path) -> dict[str, Path]:
    """The file of every module that verification.py imports, by the name that it has there."""
    return {
        alias.asname or alias.name: directory / str(node.module).rpartition(".")[2] / f"{alias.name}.py"
        for node in module.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def _docstring(files: dict[str, Path], function: str) -> str:
    module, name = function.split(".")
    tree = ast.parse(files[module].read_text(encoding="utf-8"))
    found = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return ast.get_docstring(found) or ""


def _planned(root: Path) -> dict[str, set[str]]:
    """Kinds of machines that the sample sites plan each check for."""
    found: dict[str, set[str]] = {}
    for site in SITES:
        plan = plan_site(load_definition(root / f"Pulumi.{site}.yaml"))
        kinds = {host.name: host.kind for host in plan.hosts}
        for document in documents(plan).values():
            for group in document["groups"].values():
                for check in group.get("vars", {}).get("verify_checks", ()):
                    found.setdefault(check["check"], set()).update(kinds[host] for host in group["hosts"])
    return found
