"""The code that a bundle needs on a host, as archives that are named by digest.

There are two: what is used of Ansible, and this collection. Both are the same for every phase, change with Ansible's
version and with the checkout, and are not sent again to a host that has them. Modules from elsewhere make a third.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gridmill.operations.bundle.ansible_internals import PACKAGE as ANSIBLE
from gridmill.operations.bundle.ansible_internals import module_source, sources_loaded_by_name
from gridmill.operations.bundle.errors import NotCompilableError
from gridmill.operations.playbooks import SITE
from gridmill.operations.python_imports import imports_of

COLLECTIONS = "ansible_collections"
MODULES = frozenset({"blockinfile", "command", "file", "stat", "systemd_service", "user"})
"""Modules of Ansible's own that do no work on the controller's side, so that a host can run them as they are."""
CONTENT_MODULES = frozenset({"copy", "file"})
"""Modules by which a host puts a content in place."""
ALONE = "gridmill_modules"
"""Package, on hosts, of modules that belong to no collection: those in a role's own folder."""


@dataclass(frozen=True)
class Object:
    """Bytes with their SHA-256."""

    digest: str
    content: bytes


def package_of(module: Path) -> str:
    """The package that a module stands in on hosts."""
    if module.is_relative_to(ANSIBLE):
        return "ansible.modules"
    if COLLECTIONS in module.parts:
        return ".".join(module.parent.relative_to(_root(module)).parts)
    return ALONE


def code_of(modules: Iterable[Path]) -> list[Object]:
    """Archives for these modules: Ansible's code first, then this collection's, then what comes from elsewhere.

    NotCompilableError for a module that needs code which cannot be found.
    """
    sources = [path for kind in ("modules", "module_utils") for path in sorted(SITE.glob(f"plugins/{kind}/**/*.py"))]
    ours = {str(path.relative_to(_root(path))): path for path in sources}
    theirs = {f"ansible/modules/{name}.py": module_source(name) for name in MODULES | CONTENT_MODULES}
    others = [path for path in modules if not path.is_relative_to(ANSIBLE) and not path.is_relative_to(SITE)]
    foreign = {f"{package_of(path).replace('.', '/')}/{path.name}": path for path in others}
    named = sources_loaded_by_name()
    for path in imported([*theirs.values(), *sources, *others, *named]) | set(named):
        if path.is_relative_to(ANSIBLE):
            theirs[f"ansible/{path.relative_to(ANSIBLE)}"] = path
        elif not path.is_relative_to(SITE):
            foreign[str(path.relative_to(_root(path)))] = path
    archives = [_archive(theirs, "ansible/__init__.py", "ansible/modules/__init__.py"), _archive(ours)]
    return [*archives, _archive(foreign)] if foreign else archives


def imported(sources: Iterable[Path]) -> set[Path]:
    """Files of ansible.module_utils and of collections that these import, directly or not, and of their packages."""
    waiting = list(sources)
    roots = tuple({ANSIBLE.parent, _root(SITE), *(_root(path) for path in waiting if COLLECTIONS in path.parts)})
    found: set[Path] = set()
    seen = set(waiting)
    while waiting:
        source = waiting.pop()
        for module, names in _imports(source):
            files = _files(module, roots)
            if not files and not source.is_relative_to(ANSIBLE):
                raise NotCompilableError(f"{source} imports {module}, which neither Ansible nor a collection has")
            for path in files + [one for name in names for one in _files(f"{module}.{name}", roots)]:
                found.add(path)
                if path not in seen:
                    seen.add(path)
                    waiting.append(path)
    return found


def _root(path: Path) -> Path:
    """The directory that holds the collections of a file of one of them."""
    place = len(path.parts) - 1 - path.parts[::-1].index(COLLECTIONS)
    return Path(*path.parts[:place])


def _imports(source: Path) -> list[tuple[str, list[str]]]:
    """Modules below ansible.module_utils and in collections that a file imports, each with the names that it takes."""
    root = ANSIBLE.parent if source.is_relative_to(ANSIBLE) else _root(source) if COLLECTIONS in source.parts else None
    package = source.parent.relative_to(root).parts if root else ()
    found: list[tuple[str, list[str]]] = [(".".join(package), [])] if package[:2] == ("ansible", "module_utils") else []
    for node in imports_of(source.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        else:
            base = package[: len(package) - node.level + 1] if node.level else ()
            whole = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            found.append((whole, [alias.name for alias in node.names]))
    return [one for one in found if one[0].startswith(("ansible.module_utils", f"{COLLECTIONS}."))]


@cache
def _files(name: str, roots: tuple[Path, ...]) -> list[Path]:
    """The file of a module or package, if it is one, and of the packages above it."""
    parts = name.split(".")
    for root in roots:
        whole = root.joinpath(*parts)
        if whole.is_dir() or whole.with_suffix(".py").is_file():
            bases = [root.joinpath(*parts[:length]) for length in range(2, len(parts) + 1)]
            files = [path for base in bases for path in (base / "__init__.py", base.with_suffix(".py"))]
            return [path for path in files if path.is_file()]
    return []


def _archive(files: dict[str, Path], *empty: str) -> Object:
    """An archive that is the same for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*files, *empty}):
            text = files[name].read_text(encoding="utf-8") if name in files else ""
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    content = stream.getvalue()
    return Object(hashlib.sha256(content).hexdigest(), content)
