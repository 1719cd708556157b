"""The time limit of a preview: whatever it was asking then is left, and it says so."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from gridmill.operations.errors import OperationError


@contextmanager
def time_limit(seconds: float, over: str) -> Iterator[None]:
    """For the main thread of a process: OperationError that says `over` when the time is up or TERM comes, or that the
    preview was interrupted, on INT."""

    def time_is_up(number: int, frame: FrameType | None) -> None:
        raise OperationError(over)

    def interrupted(number: int, frame: FrameType | None) -> None:
        raise OperationError("the preview was interrupted")

    signal.signal(signal.SIGTERM, time_is_up)
    signal.signal(signal.SIGINT, interrupted)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
