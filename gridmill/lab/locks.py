"""Locks between commands that may run at the same time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridmill.lab.progress import Progress


@contextmanager
def locked_for_making(path: Path, what: str, progress: Progress) -> Iterator[int]:
    """Be the only one who makes something in the cache; waits for another run, and says so.

    Yields the lock's file descriptor: handed on to the program that does the work (`run(..., hold=)`), it keeps
    the lock until that program ends, even when this process is killed meanwhile.
    """
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.line(what, "another run is making it: waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
