"""The supervisor with real processes: events, signals, and children that must not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridmill.operations.errors import OperationError
from gridmill.operations.record.locks import exclusive
from gridmill.operations.run.supervise import supervise
from tests.conftest import ROOT

SHELL = "/bin/sh"


def run(script: str, log: Path, events: list[str] | None = None) -> int:
    with log.open("wb") as stream:
        sink = events if events is not None else []
        environment = {"PATH": os.environ["PATH"]}
        return supervise([SHELL, "-c", script], environment, stream, sink.append, lambda: None, idle_s=0.2)


def test_status_log_and_events(tmp_path: Path) -> None:
    events: list[str] = []
    script = "echo out; echo err >&2; echo one > /dev/fd/$GRIDMILL_EVENTS_FD; exit 3"
    assert run(script, tmp_path / "log", events) == 3
    assert (tmp_path / "log").read_text() == "out\nerr\n"
    assert events == ["one"]


def test_the_child_gets_only_the_environment_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "canary-9")
    run("env", tmp_path / "log")
    assert "canary-9" not in (tmp_path / "log").read_text()


def test_silence_is_reported(tmp_path: Path) -> None:
    calls: list[float] = []
    with (tmp_path / "log").open("wb") as stream:
        supervise([SHELL, "-c", "sleep 0.7"], {}, stream, print, lambda: calls.append(time.monotonic()), idle_s=0.2)
    assert len(calls) >= 2


PROGRAM = """
import sys
from gridmill.operations.run import supervise as module
module.GRACE_S = 1
module.die_with_parent()
with open(sys.argv[1], "wb") as log:
    sys.exit(-module.supervise(["/bin/sh", "-c", sys.argv[2]], {"PATH": "/usr/bin:/bin"}, log, str, lambda: None))
"""


def start(script: str, tmp_path: Path, first: str = ":") -> tuple[subprocess.Popen[bytes], int]:
    """A supervisor in a process of its own, and the process ID of its child, which has done `first`."""
    marker = tmp_path / "pid"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "log"), f"{first}; echo $$ > {marker}; {script}"],
        cwd=ROOT,
    )
    deadline = time.monotonic() + 10
    while not (marker.exists() and marker.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, int(marker.read_text())


SIGNALLED_AT_THE_START = """
import os, signal, sys
from gridmill.operations.run import supervise as module
start = module._start
def interrupted(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    return start(*arguments)
module._start = interrupted
with open(sys.argv[1], "wb") as log:
    sys.exit(-module.supervise(["/bin/sh", "-c", "sleep 60"], {"PATH": "/usr/bin:/bin"}, log, str, lambda: None))
"""


def test_a_signal_while_the_child_is_started_is_not_lost(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SIGNALLED_AT_THE_START, str(tmp_path / "log")]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=30).returncode == signal.SIGTERM


def gone(pid: int, within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_child(number: signal.Signals, tmp_path: Path) -> None:
    process, child = start("sleep 60", tmp_path)
    process.send_signal(number)
    assert process.wait(timeout=10) == signal.SIGTERM
    assert gone(child)


def test_a_child_that_ignores_term_is_killed_after_the_grace(tmp_path: Path) -> None:
    process, child = start("while :; do sleep 0.1; done", tmp_path, first="trap '' TERM")
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == signal.SIGTERM
    assert time.monotonic() - started >= 0.9
    assert gone(child)


def test_an_orphan_that_holds_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    started = time.monotonic()
    assert run("setsid sleep 40 & exit 4", tmp_path / "log") == 4
    assert time.monotonic() - started < 30


def test_workers_with_sessions_of_their_own_are_ended_too(tmp_path: Path) -> None:
    worker_file = tmp_path / "worker"
    process, child = start(f"setsid sh -c 'echo $$ > {worker_file}; exec sleep 60' & wait", tmp_path)
    while not (worker_file.exists() and worker_file.read_text().strip()):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    assert gone(child)
    assert gone(int(worker_file.read_text()))


def test_the_lock_outlives_a_killed_runner_while_its_child_works(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock", "x") as descriptor:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(descriptor,))
    try:
        with pytest.raises(OperationError, match="already running"), exclusive(tmp_path / "lock", "x"):
            pass
    finally:
        child.kill()
        child.wait()
    with exclusive(tmp_path / "lock", "x"):
        pass


HOLDER = """
import sys, time
from pathlib import Path
from gridmill.operations.record.locks import exclusive
with exclusive(Path(sys.argv[1]) / "lock", "x"):
    (Path(sys.argv[1]) / "held").touch()
    time.sleep(1.5)
"""


def test_a_run_that_has_lost_its_starter_is_waited_for(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As after the engine was killed: hosts finish their task, and the same command goes on by itself."""
    starter = subprocess.Popen(
        [SHELL, "-c", '"$@" & while [ ! -e "$0/held" ]; do sleep 0.05; done', tmp_path, sys.executable, "-c", HOLDER,
         tmp_path],
        cwd=ROOT,
    )  # fmt: skip
    starter.wait(timeout=10)
    with exclusive(tmp_path / "lock", "x"):
        pass
    assert "x: waiting for an earlier run that is ending: process" in capfd.readouterr().err


def test_a_killed_supervisor_takes_its_child_along(tmp_path: Path) -> None:
    process, child = start("exec sleep 60", tmp_path)
    process.kill()
    process.wait(timeout=10)
    assert gone(child)


def test_a_dead_parent_ends_the_supervisor(tmp_path: Path) -> None:
    """As when the engine's plugin is killed: the runner's parent is gone."""
    marker = tmp_path / "pid"
    command = f"echo $$ > {marker}; sleep 60"
    parent = subprocess.Popen(
        [SHELL, "-c", f"{sys.executable} -c '{PROGRAM}' {tmp_path / 'log'} '{command}'; true"], cwd=ROOT
    )
    deadline = time.monotonic() + 10
    while not (marker.exists() and marker.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child = int(marker.read_text())
    parent.kill()
    parent.wait(timeout=10)
    assert gone(child)
