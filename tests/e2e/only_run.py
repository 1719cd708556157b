"""One run at a time on this machine's virtual site of the tests, and nothing left of one that was killed.

The site has one bridge, one range of addresses and one place on disk, whichever checkout its tests come from.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from gridmill.lab.mounts import unmount
from tests.conftest import ROOT

LOCK = Path("/run/lock/gridmill-tests")
KEPT = ("layers", "snapshots")
"""What stays of the lab's directory: snapshots, with what their machines had stored."""
OF_THE_LAB = (b"systemd-nspawn", b"squid", b"gridmill.lab.meter_server")
"""What the lab started and ends itself."""
ENDS_S = 10.0


class AnotherRunError(Exception):
    """Somebody else's tests use the site."""


@contextmanager
def only_run(base: Path, path: Path = LOCK) -> Iterator[None]:
    """Hold this machine's site for this process; AnotherRunError, with whose tests they are, when another does.

    A killed process holds nothing any more. Whatever it left, in whichever place, is ended and removed first.
    """
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherRunError(_whose(path)) from None
        before = _noted(path).get("base")
        for place in dict.fromkeys((base, *([Path(before)] if before else []))):
            clean(place)
        note = {
            "checkout": str(ROOT),
            "process": os.getpid(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
            "base": str(base),
        }
        lock.truncate(0)
        lock.write(json.dumps(note) + "\n")
        lock.flush()
        yield


def _noted(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return dict(json.loads(text)) if text.strip() else {}


def _whose(path: Path) -> str:
    note = _noted(path) or {"checkout": "another checkout", "process": "unknown", "since": "now"}
    return (
        f"the virtual site of the tests is in use: by the tests of {note['checkout']} (process {note['process']}), since "
        f"{note['since']}. A machine has one such site: wait until they end, or end them"
    )


def clean(base: Path) -> None:
    """End what a run left: its processes, machines, network and mounts; its files but snapshots and what they need."""
    if not base.exists():
        return
    state = base / "state"
    end_processes(state)
    for rack in state.glob("lab/*/rack.json"):
        environment = {**os.environ, "GRIDMILL_STATE": str(state)}
        down = [sys.executable, "-m", "gridmill.lab", "down", "--stack", json.loads(rack.read_text("utf-8"))["stack"]]
        subprocess.run(down, cwd=ROOT, env=environment, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    unmount(base)
    for path in state.glob("*"):
        if path.name != "lab":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in state.glob("lab/*/*"):
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def end_processes(state: Path) -> None:
    """Kill what was started with this state directory, the lab's own aside: nothing that it would still do is wanted."""
    end = time.monotonic() + ENDS_S
    while left := at_work(state):
        if time.monotonic() > end:
            raise TimeoutError(f"processes of a run that was killed do not end: {left}")
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def at_work(state: Path) -> list[int]:
    """Processes that were started with this state directory."""
    mark = f"GRIDMILL_STATE={state}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            command = (entry / "cmdline").read_bytes()
            if mark in (entry / "environ").read_bytes().split(b"\0") and not any(one in command for one in OF_THE_LAB):
                found.append(int(entry.name))
    return found
