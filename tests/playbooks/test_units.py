"""Which of a unit's files are open, whatever the clock did, and what a trial leaves behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.slurm import removal as slurm_removal
from ansible_collections.gridmill.site.plugins.module_utils.slurm import trial as slurm_trial
from ansible_collections.gridmill.site.plugins.module_utils.system import locks
from ansible_collections.gridmill.site.plugins.module_utils.system.units import Clock, fingerprint, outdated, parse_unit

SECOND = 10**9
STARTED = 1795307522995686000  # 2026-11-22 00:32:02.995686 UTC
SINCE_BOOT = 6113254770000
SHOWN = """LoadState=loaded
ActiveState=active
NeedDaemonReload=no
InactiveExitTimestamp=Sun 2026-11-22 00:32:02.995686 UTC
InactiveExitTimestampMonotonic=6113254770
"""


def started(step: int = 0, text: str = SHOWN) -> int:
    """The unit's start, seen an hour later on a clock that was set by `step` ns meanwhile."""
    hour = 3600 * SECOND
    return int(parse_unit(text, Clock(STARTED + hour + step, SINCE_BOOT + hour)).started)


def test_a_running_unit() -> None:
    unit = parse_unit(SHOWN, Clock(STARTED, SINCE_BOOT))
    assert unit.loaded and unit.live and not unit.reload_needed and unit.started == STARTED


@pytest.mark.parametrize(
    ("old", "new", "loaded", "live", "reload_needed"),
    [
        ("=active", "=inactive", True, False, False),
        ("=active", "=failed", True, True, False),
        ("=loaded", "=not-found", False, True, False),
        ("=no", "=yes", True, True, True),
    ],
)
def test_other_units(old: str, new: str, loaded: bool, live: bool, reload_needed: bool) -> None:
    unit = parse_unit(SHOWN.replace(old, new), Clock(STARTED, SINCE_BOOT))
    assert (unit.loaded, unit.live, unit.reload_needed) == (loaded, live, reload_needed)


def test_a_unit_that_never_started_has_read_nothing() -> None:
    text = SHOWN.replace("=Sun 2026-11-22 00:32:02.995686 UTC", "=").replace("=6113254770", "=0")
    assert parse_unit(text, Clock(STARTED, SINCE_BOOT)).started == 0


def test_files_changed_after_the_start_are_open_until_they_are_noted() -> None:
    before, after = (STARTED - 1, 11), (STARTED + 1, 12)
    found = {"/before": before, "/after": after, "/missing": None}
    assert outdated(found, {}, STARTED) == ["/after"]
    assert outdated(found, {"/after": after}, STARTED) == []
    assert outdated(found, {"/after": (STARTED + 1, 13)}, STARTED) == ["/after"], "written again since"
    assert outdated(found, {"/after": (STARTED + 2, 12)}, STARTED) == ["/after"]


def test_a_step_of_the_clock_never_hides_a_change() -> None:
    for step in (-600 * SECOND, 600 * SECOND):
        written_after_the_step = STARTED + 3600 * SECOND + step
        assert outdated({"/f": (written_after_the_step, 1)}, {}, started(step)) == ["/f"]
    assert started() == STARTED
    assert started(600 * SECOND) == STARTED and started(-600 * SECOND) == STARTED - 600 * SECOND


def test_a_file_from_the_future_is_applied_once() -> None:
    future = {"/f": (STARTED + 10**6 * SECOND, 5)}
    assert outdated(future, {}, STARTED) == ["/f"]
    assert outdated(future, future, STARTED) == []


def test_fingerprints(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert fingerprint(file) is None
    file.write_text("one")
    first = fingerprint(file)
    os.utime(file, (1, 1))
    again = fingerprint(file)
    assert first and again and again[0] >= first[0] > SECOND, "a change time, not a modification time of long ago"


def test_one_process_at_a_time(tmp_path: Path) -> None:
    lock, now = tmp_path / "d" / "lock", [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with locks.alone(lock, 5):
        assert stat.S_IMODE(lock.parent.stat().st_mode) == 0o700
        with pytest.raises(TimeoutError, match="another run"), locks.alone(lock, 5, sleep, lambda: now[0]):
            raise AssertionError
    with locks.alone(lock, 0):
        pass
    assert now[0] == 5.0


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = f"import fcntl, time\nfile = open({str(lock)!r}, 'w')\nfcntl.flock(file, fcntl.LOCK_EX)\nprint(flush=True)\ntime.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline()
        with pytest.raises(TimeoutError), locks.alone(lock, 0):
            raise AssertionError
        holder.kill()
        holder.wait()
        with locks.alone(lock, 5):
            pass


def test_a_trial_is_private_from_its_first_moment_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid, gid = os.getuid(), os.getgid()
    left = tmp_path / "slurm-trial"
    left.mkdir()
    (left / "slurm.key").write_bytes(b"left by a killed run")
    made: list[int] = []
    real = os.open

    def noting(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        made.append(mode)
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", noting)
    with slurm_trial.trial_directory(uid, gid, runtime=tmp_path) as place:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700 and not list(place.iterdir())
        old = os.umask(0)
        try:
            slurm_trial.fill(place, {"slurm.conf": "ClusterName=x\nSlurmUser=root\n"}, uid, gid)
        finally:
            os.umask(old)
        assert stat.S_IMODE((place / "slurm.key").stat().st_mode) == 0o600 and 0o600 in made
        assert "StateSaveLocation=/tmp/state" in (place / "slurm.conf").read_text()
    assert not left.exists()


def test_a_trial_dies_with_its_run() -> None:
    assert slurm_trial.NAMESPACES[:4] == ["setpriv", "--pdeathsig", "KILL", "unshare"]
    assert "--pdeathsig KILL" in slurm_trial.ENTER
    assert str(locks.RUNTIME).startswith("/run/"), "the copy of the key is never on a disk"


CONFIGURATION = "NodeName=DEFAULT CPUs=2\nNodeName=n[01-02] CPUs=2\nnodename=m1\nPartitionName=p Nodes=n[01-09]\n"
NODES = (
    "NodeName=n01 State=IDLE\nNodeName=n02 State=IDLE+DRAIN Reason=no longer planned [root@2026-11-22T00:50:57]\n"
    "NodeName=n03 State=MIXED\nNodeName=n04 State=ALLOCATED+DRAIN Reason=broken fan\n"
    "NodeName=m1 State=IDLE+DRAIN Reason=broken fan\nNodeName=d1 State=IDLE+DYNAMIC_NORM\n"
)


def test_nodes_that_leave_are_drained_and_those_that_stay_after_all_are_not() -> None:
    planned = slurm_removal.planned_nodes(CONFIGURATION)
    assert planned == {"n01", "n02", "m1"}
    found = slurm_removal.changes(planned, NODES)
    assert found.leaving == ["n03", "n04"] and found.drain == ["n03"] and found.undrain == ["n02"]
    assert slurm_removal.changes({"n01", "n02", "n03", "n04", "m1"}, NODES).leaving == []


def test_jobs_on_leaving_nodes_are_named() -> None:
    output = (
        "12|anna|RUNNING|n03\n13|bob|COMPLETING|n[01,03-04]\n14|bob|PENDING|\n15|eve|COMPLETED|n03\n"
        "16|eve|SUSPENDED|n04\n17|eve|RUNNING|n01\n"
    )
    found = slurm_removal.holders(["n03", "n04"], output)
    assert found == {"n03": ["job 12 of anna", "job 13 of bob"], "n04": ["job 13 of bob", "job 16 of eve"]}
    told = slurm_removal.refusal({"pod-a-r1-u09": ["job 12 of anna"]})
    assert told.startswith("pod-a-r1-u09 is drained; job 12 of anna still runs there; run again when all have ended")
    assert slurm_removal.refusal({}) == ""
    assert slurm_removal.holders(["n03"], "") == {}
