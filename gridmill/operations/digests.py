"""What a phase runs, as digests: one per role, so that a changed role concerns the machines that it runs on, and no
others. READMEs and tests are not part of them.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gridmill.operations.places import ANSIBLE_CONFIG, PLAYBOOKS
from gridmill.operations.playbooks import COLLECTION, ROLES, SITE
from gridmill.operations.python_imports import imports_of
from gridmill.operations.roles import role_directory

PARTS = ("defaults", "files", "handlers", "library", "meta", "module_utils", "tasks", "templates", "vars")
"""Parts of a role that run; what else lies in its folder is for people."""
_MODULE = re.compile(rf"^\s*(?:- )?{re.escape(COLLECTION)}\.([a-z0-9_]+):", re.MULTILINE)
_ROLE = re.compile(rf"(?:role: |- ){re.escape(COLLECTION)}\.([a-z0-9_]+)\s*$", re.MULTILINE)
_SHARED = f"ansible_collections.{COLLECTION}.plugins.module_utils"


def phase_digests(document: Mapping[str, Any]) -> dict[str, str]:
    """Digests of what a document has run, by name: `role_<name>` for roles, `run` for what every run of it needs."""
    playbooks = [document[key] for key in ("playbook", "decommission") if key in document]
    placed = {str(one["role"]): str(one.get("feature", "")) for one in document.get("roles", ())}
    named = {name: "" for playbook in playbooks for name in _ROLE.findall(_text(PLAYBOOKS / playbook))}
    roles = {f"role_{name}": _role_digest(name, feature) for name, feature in {**named, **placed}.items()}
    return {"run": _run_digest(tuple(playbooks)), **dict(sorted(roles.items()))}


@cache
def _run_digest(playbooks: tuple[str, ...]) -> str:
    """Ansible's configuration, the fence that begins each run, playbooks of the phase's own."""
    files = {ANSIBLE_CONFIG, *(PLAYBOOKS / name for name in playbooks)}
    modules = {"fence", *(name for path in files for name in _MODULE.findall(_text(path)))}
    return _digest(files | _modules(modules))


@cache
def _role_digest(name: str, feature: str) -> str:
    """What a role is made of, the modules that its tasks call, and the code that these share."""
    directory = role_directory(name, feature)
    files = {path for part in PARTS for path in (directory / part).rglob("*") if _counts(path)}
    tasks = [path for path in files if path.suffix in {".yml", ".yaml"}]
    named = {found for path in tasks for found in _MODULE.findall(_text(path))}
    own = {path for path in (directory / "library").glob("*.py") if path in files}
    return _digest(files | _modules(named, own), directory)


def _counts(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".md", ".pyc"}


def _modules(names: Iterable[str], own: Iterable[Path] = ()) -> set[Path]:
    """Files of modules of the collection, and of everything shared that they, and a role's own, import, directly or
    not."""
    found: set[Path] = set()
    waiting = [*own, *(SITE / "plugins" / "modules" / f"{name}.py" for name in names)]
    while waiting:
        path = waiting.pop()
        if path not in found and path.is_file():
            found.add(path)
            waiting += _imported(path)
    return found


@cache
def _imported(path: Path) -> tuple[Path, ...]:
    """Files of the collection's shared code that a file imports, and the packages that they stand in."""
    names: set[str] = set()
    for node in imports_of(_text(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    places = [SITE.parents[2].joinpath(*name.split(".")) for name in names if name.startswith(_SHARED)]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return tuple(sorted(file for file in files if file.is_file()))


def _digest(paths: Iterable[Path], directory: Path = ROLES) -> str:
    """SHA-256 (32 digits) over names and contents."""
    digest = hashlib.sha256()
    bases = (directory, SITE, PLAYBOOKS, ANSIBLE_CONFIG.parent)
    for path in sorted(paths):
        name = path.relative_to(next(base for base in bases if path.is_relative_to(base)))
        digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")
