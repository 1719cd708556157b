"""Files that only their owner can read, replaced in one step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MODE = 0o600


def write_private(path: Path, content: bytes, uid: int, gid: int) -> None:
    """Replace the file; no other user can read it at any time."""
    new = path.parent / f".{path.name}.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chown(new, uid, gid)
    new.replace(path)


def make_private(path: Path, uid: int, gid: int, *, dry: bool) -> bool:
    """Give a file to its owner alone; whether it was not, which stays when `dry`."""
    status = path.stat()
    if (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (uid, gid, MODE):
        return False
    if not dry:
        os.chown(path, uid, gid)
        path.chmod(MODE)
    return True
