"""Progress lines: what was done, for which machine, how long after the start."""

from __future__ import annotations

import sys
import threading
import time
from typing import TextIO


class Progress:
    """Writes one line per finished step; threads may share it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """Start the clock; `stream` defaults to standard error, so that standard output stays data."""
        self._stream = stream if stream is not None else sys.stderr
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def line(self, subject: str, text: str) -> None:
        """Print `[  3.2 s] subject: text`."""
        with self._lock:
            self._stream.write(f"[{self.seconds():5.1f} s] {subject}: {text}\n")
            self._stream.flush()
