"""Progress for people, on standard error: each step with its time, long ones show that they are alive."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from .errors import SetupError

ALIVE_SECONDS = 15.0
TAIL_LINES = 15


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"engine: {text}\n")
    sys.stderr.flush()


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step, a sign of life every `ALIVE_SECONDS`, and its time at the end."""
    started = time.monotonic()
    done = threading.Event()

    def alive() -> None:
        while not done.wait(ALIVE_SECONDS):
            say(f"{what}: {time.monotonic() - started:.0f} s ...")

    say(f"{what} ...")
    reporter = threading.Thread(target=alive, daemon=True)
    reporter.start()
    ended = "failed"
    try:
        yield
        ended = "done"
    finally:
        done.set()
        reporter.join()
        say(f"{what}: {ended} after {time.monotonic() - started:.1f} s")


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    directory: Path | None = None,
    timeout_seconds: float | None = None,
) -> None:
    """Run a program with its output in the file `log`.

    Raises:
        SetupError: it cannot be started, failed, or took longer than `timeout_seconds`; the text has the last
            lines of its output.
    """
    with log.open("ab") as output:
        try:
            status = subprocess.run(
                arguments,
                env=environment,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                check=False,
            ).returncode
        except OSError as error:
            raise SetupError(f"{arguments[0]} cannot be started: {error.strerror}") from error
        except subprocess.TimeoutExpired as error:
            raise SetupError(f"{arguments[0]} took longer than {timeout_seconds:.0f} s") from error
    if status != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
        raise SetupError(f"{' '.join(arguments[:3])} ... ended with status {status}:\n{tail}")
