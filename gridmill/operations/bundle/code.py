"""The code that a bundle needs on a host: Ansible's own as far as it is used, and ours. Two objects, named by digest.

Ansible's changes with its version, ours with the checkout; a host that has one already is not sent it again.
"""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import ansible

ROOT = Path(__file__).resolve().parents[3]
ANSIBLE = Path(ansible.__file__).parent
SHARED = "ansible/module_utils/gridmill_node"
OURS = "ansible.module_utils.gridmill_node"


@dataclass(frozen=True)
class Object:
    """Bytes with their SHA-256."""

    digest: str
    content: bytes


def code_of(modules: Iterable[str]) -> list[Object]:
    """Two archives for these modules (paths): Ansible's code first, ours second.

    How Ansible encodes arguments is loaded by name there, so it is named here.
    """
    paths = sorted({Path(path) for path in modules})
    theirs = [path for path in paths if path.is_relative_to(ANSIBLE)]
    ours = {
        **{
            f"{SHARED}/{path.name}": path
            for path in (ROOT / "playbooks/plugins/module_utils/gridmill_node").glob("*.py")
        },
        **{f"gridmill_modules/{path.name}": path for path in paths if path not in theirs},
    }
    named = [ANSIBLE / "module_utils" / "basic.py", *(ANSIBLE / "module_utils/_internal/_json/_profiles").glob("*.py")]
    needed = imported([*theirs, *ours.values(), *named]) | set(named)
    files = {f"ansible/modules/{path.name}": path for path in theirs}
    files |= {f"ansible/{path.relative_to(ANSIBLE)}": path for path in needed}
    return [
        _archive(files, "ansible/__init__.py", "ansible/modules/__init__.py"),
        _archive(ours, "gridmill_modules/__init__.py"),
    ]


def imported(sources: list[Path]) -> set[Path]:
    """Files of ansible.module_utils that these import, directly or not, with the packages that they stand in."""
    found: set[Path] = set()
    waiting = list(sources)
    while waiting:
        source = waiting.pop()
        for name in _imports(source):
            for path in _files(name):
                if path not in found:
                    found.add(path)
                    waiting.append(path)
    return found


def _imports(source: Path) -> set[str]:
    """Names below ansible.module_utils that a file may import, submodules included."""
    package = source.parent.relative_to(ANSIBLE.parent).parts if source.is_relative_to(ANSIBLE) else ()
    names: set[str] = {".".join(package)} if package[:2] == ("ansible", "module_utils") else set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            whole = ".".join([*base, *((node.module or "").split(".") if node.module else [])])
            names |= {whole, *(f"{whole}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("ansible.module_utils") and not name.startswith(OURS)}


def _files(name: str) -> list[Path]:
    """The file of a module or package, if it is one, and of the packages above it."""
    found = []
    parts = name.split(".")
    for length in range(2, len(parts) + 1):
        base = ANSIBLE.parent.joinpath(*parts[:length])
        found += [path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()]
    return found


def _archive(files: dict[str, Path], *empty: str) -> Object:
    """An archive that is the same for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*files, *empty}):
            text = files[name].read_text(encoding="utf-8") if name in files else ""
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    content = stream.getvalue()
    return Object(hashlib.sha256(content).hexdigest(), content)
