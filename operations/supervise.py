"""Runs one child in a session of its own, and makes sure that it ends: with its result, by TERM, or by KILL.

pulumi-command kills only its direct child, which is this process; the kernel then sends TERM to the child
(PR_SET_PDEATHSIG by setpriv), so no playbook goes on without its supervisor.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
GRACE_S = 20
"""Seconds between TERM and KILL; a task on a host may finish in it."""


def die_with_parent() -> None:
    """Ask the kernel for TERM when the process that started this one dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def supervise(
    command: list[str],
    environment: dict[str, str],
    log: IO[bytes],
    on_event: Callable[[str], None],
    on_idle: Callable[[], None],
    idle_s: float = 15,
) -> int:
    """Run `command` until it ends and return its exit status (negative: ended by that signal).

    Output goes to `log`; lines that the child writes to the descriptor named in GRIDMILL_EVENTS_FD go to
    `on_event`; `on_idle` is called when there was none for `idle_s` seconds. INT or TERM to this process is
    passed on to the child's whole session as TERM, and as KILL after GRACE_S.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "r", encoding="utf-8", errors="replace") as events:
        child = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", *command],
            env={**environment, "GRIDMILL_EVENTS_FD": str(write_end)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=(write_end,),
            start_new_session=True,
        )
        os.close(write_end)
        previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        stopper = _Stopper(child)
        for number in previous:
            signal.signal(number, stopper)
        reader = _Reader(events, on_event)
        reader.start()
        try:
            while True:
                try:
                    status = child.wait(timeout=idle_s)
                    break
                except subprocess.TimeoutExpired:
                    on_idle()
        finally:
            stopper.finish()
            for number, handler in previous.items():
                signal.signal(number, handler)
        reader.join(timeout=5)
    return -signal.SIGTERM if stopper.stopped else status


class _Reader(threading.Thread):
    """Hands on event lines as they come, until the child's end of the pipe closes."""

    def __init__(self, stream: IO[str], on_event: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self._on_event = on_event

    def run(self) -> None:
        for line in self._stream:
            self._on_event(line)


class _Stopper:
    """Signal handler: TERM for the child's session, KILL when it outlives the grace."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        self._timer: threading.Timer | None = None
        self.stopped = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._signal(signal.SIGKILL if self.stopped else signal.SIGTERM)
        self.stopped = True
        if self._timer is None:
            self._timer = threading.Timer(GRACE_S, self._signal, (signal.SIGKILL,))
            self._timer.daemon = True
            self._timer.start()

    def finish(self) -> None:
        """The child has ended: stop the clock, and end what is left of its session."""
        if self._timer:
            self._timer.cancel()
        if self.stopped:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._child.pid, number)
        except ProcessLookupError:
            return
