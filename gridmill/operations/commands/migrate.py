"""`gridmill migrate`: a stack file of an older schemaVersion, rewritten in one step."""

from __future__ import annotations

import argparse
import os
import stat
from pathlib import Path
from typing import Any

from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.schema_version import SCHEMA_VERSION
from gridmill.core.yaml_lines import MAXIMUM_CHARACTERS
from gridmill.migration.text import migrate


def add_migrate_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill migrate`."""
    command.add_argument("--check", action="store_true", help="write nothing; status 1 when something would change")


def migrate_file(path: Path, *, check: bool) -> tuple[dict[str, Any], str]:
    """Rewrite a stack file, or only say what would change; the answer for machines and for people."""
    found = migrate(_read(path), path.name)
    if found.changes and not check:
        _replace(path.resolve(), found.text)
    data = {
        "ok": not (check and found.changes),
        "file": path.name,
        "schemaVersion": SCHEMA_VERSION,
        "written": bool(found.changes) and not check,
        "changes": [{"line": one.line, "old": one.old, "new": one.new} for one in found.changes],
    }
    if not found.changes:
        return data, f"{path.name}: schemaVersion {SCHEMA_VERSION} already, nothing to do"
    what = "would be rewritten" if check else "rewritten"
    lines = [f"{path.name}: {what} as schemaVersion {SCHEMA_VERSION}", *(f"  {one}" for one in found.changes)]
    return data, "\n".join(
        [*lines, *(() if check else (f"look at the difference, then: gridmill validate {path.name}",))]
    )


def _read(path: Path) -> str:
    """The text with its own line ends."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return stream.read(MAXIMUM_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        problem = Problem((), "cannot be read: not UTF-8", "a stack file", file=path.name)
        raise ProblemsError([problem]) from error


def _replace(path: Path, text: str) -> None:
    """Write a file in one step, with the mode and the owner that it had."""
    before = path.stat()
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.chown(stream.fileno(), before.st_uid, before.st_gid)
            os.fchmod(stream.fileno(), stat.S_IMODE(before.st_mode))
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
