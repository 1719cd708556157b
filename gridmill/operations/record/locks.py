"""One run per site and phase on this machine; the kernel releases it with its last holder."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridmill.operations.errors import OperationError

ENDING_S = 60.0
"""So long a run whose starter is gone may take to end: hosts finish the task that they are at."""
POLL_S = 0.3


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[int]:
    """Hold the lock file `path`, or raise OperationError that names its holder and since when.

    A holder that is ending, since whoever started it is gone, is waited for: the same command goes on by itself.
    Yields the descriptor: a child that inherits it holds the lock too, so that the lock outlives a killed runner for
    as long as its playbook still works.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor, path, what):
            raise OperationError(f"{what} is already running: {_holder(path)}")
        record = {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "user": getpass.getuser(),
            "machine": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(descriptor: int, path: Path, what: str) -> bool:
    """Whether the lock is ours now."""
    until, told = time.monotonic() + ENDING_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until or not _ending(path):
                return False
        else:
            return True
        if not told:
            print(f"{what}: waiting for an earlier run that is ending: {_holder(path)}", file=sys.stderr, flush=True)
            told = True
        time.sleep(POLL_S)


def _ending(path: Path) -> bool:
    """Whether the holder is gone (and what it started still works), or has lost the process that started it."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        fields = Path(f"/proc/{record['pid']}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        return bool(int(fields.split()[1]) != record["parent"])
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (ValueError, KeyError, IndexError):
        return False


def _holder(path: Path) -> str:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return f"process {record['pid']} of {record['user']} on {record['machine']}, since {record['since']}"
    except (OSError, ValueError, KeyError):
        return "by a process that did not say who it is"
