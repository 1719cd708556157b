"""Starting programs, and knowing again the processes that were started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridmill.lab.errors import LabError

_STAT_STATE = 0  # fields of /proc/PID/stat counted from behind the command name
_STAT_START_TIME = 19
_SHOWN_LINES = 15
_POLL_SECONDS = 0.05


def run(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    standard_input: str | None = None,
    timeout: float | None = None,
    hold: int | None = None,
) -> str:
    """Run a program to its end and return its standard output; LabError with its last lines when it fails.

    `hold` is a file descriptor that the program keeps open too, so that a lock outlives a killed caller.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=standard_input,
            stdin=subprocess.DEVNULL if standard_input is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            pass_fds=() if hold is None else (hold,),
            env=None if environment is None else {**os.environ, **environment},
        )
    except FileNotFoundError as error:
        raise LabError(f"the program {argv[0]!r} is not installed", "see: python -m gridmill.lab check") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{argv[0]} did not end within {timeout} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_SHOWN_LINES:]
        raise LabError(f"{' '.join(argv[:3])} … failed with exit status {done.returncode}", "\n  ".join(said))
    return done.stdout


def start_detached(argv: Sequence[str], *, output: Path, environment: Mapping[str, str] | None = None) -> int:
    """Start a program in a session of its own with its output appended to a file; its process id."""
    with output.open("ab") as stream:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            cwd="/",
            env=None if environment is None else {**os.environ, **environment},
        )
    return child.pid


def _stat_fields(pid: int) -> list[str]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


@dataclass(frozen=True)
class ProcessRecord:
    """A process, told apart from a later one with the same id by when it started (clock ticks after boot)."""

    pid: int
    start_time: int

    @classmethod
    def of(cls, pid: int) -> ProcessRecord | None:
        """Record of a process that runs now; None when there is none (a zombie counts as none)."""
        fields = _stat_fields(pid)
        if not fields or fields[_STAT_STATE] in {"Z", "X"}:
            return None
        return cls(pid=pid, start_time=int(fields[_STAT_START_TIME]))

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        reap(self.pid)
        return ProcessRecord.of(self.pid) == self

    def uptime_seconds(self) -> float:
        """Seconds since the process started."""
        since_boot = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, since_boot - self.start_time / os.sysconf("SC_CLK_TCK"))

    def stop(self, *, grace_seconds: float) -> bool:
        """End the process: TERM, then KILL after the grace time. True when TERM was enough."""
        if not self.is_alive():
            return True
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)
        if self.wait_for_end(grace_seconds):
            return True
        self.kill(grace_seconds)
        return False

    def kill(self, seconds: float) -> None:
        """End the process at once, without a chance to tidy up; LabError when it still runs after so many seconds."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        if not self.wait_for_end(seconds):
            raise LabError(f"process {self.pid} does not end, not even when killed")

    def wait_for_end(self, seconds: float) -> bool:
        """Wait until the process is gone; False when it still runs after that many seconds."""
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def reap(pid: int) -> None:
    """Collect the exit status of an ended child, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
