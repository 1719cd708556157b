"""Files that were on a machine before Gridmill: how they are told from ours, and where they are kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MARK = b"Written by Gridmill"
"""Stands in the first lines of every file that a role writes whole."""

BEFORE = Path("/var/lib/gridmill/before")
"""Copies lie here under their full path, for root only. Beside the original, daemons that read directories would find
them."""

_HEAD = 4096


def foreign(path: Path, ours_with: Path | None = None) -> bool:
    """Whether there is something at `path` that Gridmill did not write.

    A file that can carry no mark, such as a key, is ours where a marked file `ours_with` stands that is always written
    before it. A symbolic link is foreign: roles write plain files. An empty file is nothing.
    """
    if ours_with is not None and _marked(ours_with):
        return False
    return path.is_symlink() or (path.is_file() and path.stat().st_size > 0 and not _marked(path))


def _marked(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return MARK in file.read(_HEAD)


def copy_of(path: Path, before: Path = BEFORE) -> Path:
    """Where the copy of a file lies."""
    return before / path.relative_to("/")


def keep(path: Path, before: Path = BEFORE) -> None:
    """Copy `path` with owner, mode and times, unless an earlier copy is there: the first is what was here before us."""
    target = copy_of(path, before)
    if os.path.lexists(target):
        return
    before.mkdir(mode=0o700, parents=True, exist_ok=True)
    before.chmod(0o700)
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    new.unlink(missing_ok=True)
    shutil.copy2(path, new, follow_symlinks=False)
    status = path.lstat()
    os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)
    new.replace(target)
