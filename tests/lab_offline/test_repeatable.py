"""What makes the end-to-end tests repeatable: one run at a time, nothing left of a killed one, the same files again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.only_run import AnotherRunError, at_work, clean, end_processes, only_run

HOLD = """
import sys, time
from pathlib import Path
from tests.e2e import only_run
only_run.ROOT = Path("/elsewhere/gridmill")
with only_run.only_run(Path(sys.argv[1]), Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_checkout_is_named_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    lock, base = tmp_path / "lock", tmp_path / "base"
    command = [sys.executable, "-c", HOLD, str(tmp_path / "other"), str(lock)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"held\n"
        told = rf"by the tests of /elsewhere/gridmill \(process {other.pid}\), since 20\S+\. .* wait until they end"
        with pytest.raises(AnotherRunError, match=told), only_run(base, lock):
            pass
        other.kill()
    (tmp_path / "other" / "state" / "sites").mkdir(parents=True)
    with only_run(base, lock):
        assert not (tmp_path / "other" / "state" / "sites").exists(), "what it left, in its own place, is removed"
        with pytest.raises(AnotherRunError, match=str(ROOT)), only_run(base, lock):
            pass


def test_what_a_killed_run_started_is_ended_and_nothing_else(tmp_path: Path) -> None:
    ours, theirs = ({**os.environ, "GRIDMILL_STATE": str(tmp_path / name)} for name in ("state", "state2"))
    with (
        subprocess.Popen(["sleep", "60"], env=ours) as left,
        subprocess.Popen(["sleep", "60"], env=theirs) as other,
        subprocess.Popen(["bash", "-c", "exec -a squid sleep 60"], env=ours) as proxy,
    ):
        until = time.monotonic() + 10
        while left.pid not in at_work(tmp_path / "state") and time.monotonic() < until:
            time.sleep(0.05)  # until it has become the program
        end_processes(tmp_path / "state")
        assert left.wait(5) == -9
        assert other.poll() is None and proxy.poll() is None, "the lab ends its own"
        other.kill()
        proxy.kill()


def test_snapshots_stay_of_what_a_killed_run_left(tmp_path: Path) -> None:
    lab = tmp_path / "state" / "lab" / "e2e"
    for name in ("snapshots/a", "layers/b", "proxy"):
        (lab / name).mkdir(parents=True)
    (lab / "id_ed25519").touch()
    (tmp_path / "state" / "pulumi").mkdir()
    clean(tmp_path)
    assert sorted(path.name for path in (tmp_path / "state").rglob("*")) == [
        "a",
        "b",
        "e2e",
        "lab",
        "layers",
        "snapshots",
    ]
