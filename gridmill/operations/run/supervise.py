"""Runs one child in a session of its own, and makes sure that it ends: with its result, by TERM, or by KILL.

pulumi-command kills only its direct child, which is this process; the kernel then sends TERM to the child
(PR_SET_PDEATHSIG by setpriv), so no playbook goes on without its supervisor. While the supervisor lives, it is also
the reaper of everything below it (PR_SET_CHILD_SUBREAPER): Ansible's workers make sessions of their own, and a signal
to the child's group alone would miss them.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import IO

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
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
    *,
    idle_s: float = 15,
    keep: tuple[int, ...] = (),
) -> int:
    """Run `command` until it ends and return its exit status (negative: ended by that signal).

    Output goes to `log`; lines that the child writes to the descriptor named in GRIDMILL_EVENTS_FD go to
    `on_event`; `on_idle` is called when there was none for `idle_s` seconds. The child inherits the descriptors in
    `keep`. INT or TERM to this process is passed on to the child's session as TERM, and as KILL, to everything below
    this process, after GRACE_S.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    read_end, write_end = os.pipe()
    stopper = _Stopper()  # in place before there is a child, so that no signal is lost while it is started
    previous = {number: signal.signal(number, stopper) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = _start(command, environment, log, (write_end, *keep))
        os.close(write_end)
        stopper.watch(child)
        _follow(child, _Lines(read_end, on_event), on_idle, idle_s)
    finally:
        stopper.finish()
        for number, handler in previous.items():
            signal.signal(number, handler)
        os.close(read_end)
    return -signal.SIGTERM if stopper.stopped else child.wait()


def _start(
    command: list[str], environment: dict[str, str], log: IO[bytes], descriptors: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    """Start the child in a session of its own; the first descriptor is the one that it writes events to."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "--", *command],
        env={**environment, "GRIDMILL_EVENTS_FD": str(descriptors[0])},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=descriptors,
        start_new_session=True,
    )


def _follow(child: subprocess.Popen[bytes], lines: _Lines, on_idle: Callable[[], None], idle_s: float) -> None:
    """Hand on lines until the child ends. A grandchild that keeps the pipe open is not waited for."""
    ended = os.pidfd_open(child.pid)
    heard = time.monotonic()
    try:
        while True:
            watched = [ended] if lines.closed else [ended, lines.descriptor]
            ready, _, _ = select.select(watched, [], [], idle_s)
            if lines.descriptor in ready:
                lines.read()
                heard = time.monotonic()
            elif ended in ready:
                return
            if time.monotonic() - heard >= idle_s:
                on_idle()
                heard = time.monotonic()
    finally:
        os.close(ended)


class _Lines:
    """Complete lines from a pipe, handed on as they come."""

    def __init__(self, descriptor: int, on_line: Callable[[str], None]) -> None:
        self.descriptor = descriptor
        self.closed = False
        self._on_line = on_line
        self._rest = b""

    def read(self) -> None:
        """Read what is there; `closed` is set at the end of the stream."""
        data = os.read(self.descriptor, 65536)
        self.closed = not data
        *complete, self._rest = (self._rest + data).split(b"\n")
        for line in complete:
            self._on_line(line.decode("utf-8", "replace"))


class _Stopper:
    """Signal handler: TERM for the child's session, KILL for everything when it outlives the grace."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self.stopped = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.stopped:
            kill_descendants()
            return
        self.stopped = True
        self._terminate()
        self._timer = threading.Timer(GRACE_S, kill_descendants)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, child: subprocess.Popen[bytes]) -> None:
        """Pass signals on to this child; one that came while it was started is passed on now."""
        self._child = child
        if self.stopped:
            self._terminate()

    def finish(self) -> None:
        """The child has ended: stop the clock, and end what is left below this process."""
        if self._timer:
            self._timer.cancel()
        if self.stopped:
            kill_descendants()

    def _terminate(self) -> None:
        if self._child is None:
            return
        try:
            os.killpg(self._child.pid, signal.SIGTERM)
        except ProcessLookupError:
            return


def kill_descendants() -> None:
    """KILL every process below this one, whatever session it made for itself."""
    for pid in list(descendants(os.getpid())):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(ancestor: int) -> Iterator[int]:
    """Process IDs below `ancestor`, from /proc."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [ancestor]
    while waiting:
        below = children.get(waiting.pop(), [])
        yield from below
        waiting += below
