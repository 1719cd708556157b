"""One process at a time: for what a module that outlived its killed run could still be doing."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

RUNTIME = Path("/run/gridmill")
"""Where our modules keep what a restart of the machine may forget; only root gets in."""


@contextmanager
def alone(
    file: Path,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Hold the lock on `file`, for which others are waited at most `seconds`. Raises TimeoutError.

    The kernel lets go of it when the process ends, however that happens.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    until = clock() + seconds
    with file.open("w", encoding="utf-8") as held:
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if clock() >= until:
                    raise TimeoutError(f"another run has held {file} for {seconds:g} s") from None
                sleep(0.5)
            else:
                break
        yield
