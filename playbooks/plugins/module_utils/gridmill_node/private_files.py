"""Files that only their owner can read, replaced in one step."""

from __future__ import annotations

import os
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
