"""One run per site and phase on this machine; the kernel drops the lock when nobody holds it any more."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operations.errors import OperationError


@contextmanager
def exclusive(path: Path, what: str) -> Iterator[int]:
    """Hold the lock file `path`, or raise OperationError that names its holder and since when.

    Yields the descriptor: a child that inherits it holds the lock too, so that the lock outlives a killed runner for
    as long as its playbook still works.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OperationError(f"{what} is already running: {_holder(path)}") from None
        record = {
            "pid": os.getpid(),
            "user": getpass.getuser(),
            "machine": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)
        yield descriptor
    finally:
        os.close(descriptor)


def _holder(path: Path) -> str:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return f"process {record['pid']} of {record['user']} on {record['machine']}, since {record['since']}"
    except (OSError, ValueError, KeyError):
        return "by a process that did not say who it is"
