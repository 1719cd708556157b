from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gridmill.lab import host_check, mounts
from gridmill.lab.cgroups import Hierarchy, hierarchies, memory_bytes
from gridmill.lab.errors import LabError
from gridmill.lab.host_check import Finding, install_command, missing_packages, require
from gridmill.lab.mounts import mount_points, remove_tree
from gridmill.lab.processes import ProcessRecord, run
from gridmill.lab.status import is_up, render

HYBRID_MOUNTS = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""
HYBRID_OWN = "9:name=systemd:/\n4:memory:/session/one\n0::/\n"


def test_hybrid_host_has_a_group_in_every_hierarchy() -> None:
    found = hierarchies(HYBRID_MOUNTS, HYBRID_OWN)
    assert found == [
        Hierarchy(Path("/sys/fs/cgroup/memory"), ("memory",), "/session/one"),
        Hierarchy(Path("/sys/fs/cgroup/systemd"), ("name=systemd",), "/"),
        Hierarchy(Path("/sys/fs/cgroup/unified"), (), "/"),
    ]
    assert found[0].group("m") == Path("/sys/fs/cgroup/memory/session/one/m")


def test_unified_host_has_one_group() -> None:
    found = hierarchies("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "0::/user.slice\n")
    assert [hierarchy.group("m") for hierarchy in found] == [Path("/sys/fs/cgroup/user.slice/m")]


def test_memory_counts_no_file_cache(tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.stat").write_text("anon 100\nfile 900\nshmem 50\n")
    assert memory_bytes([tmp_path]) == 150
    assert memory_bytes([tmp_path / "absent"]) is None


def test_mount_points_with_spaces() -> None:
    line = r"36 35 0:32 / /srv/a\040b rw shared:1 - overlay overlay rw"
    assert mount_points(line) == [Path("/srv/a b")]


def test_a_tree_with_a_mount_in_it_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m1" / "root").mkdir(parents=True)
    monkeypatch.setattr(mounts, "mount_points", lambda: [tmp_path / "m1" / "root"])
    with pytest.raises(LabError, match="mounted below"):
        remove_tree(tmp_path / "m1")
    assert (tmp_path / "m1" / "root").is_dir()


def test_a_process_is_known_by_its_start_too() -> None:
    own = ProcessRecord.of(os.getpid())
    assert own is not None and own.is_alive()
    assert not ProcessRecord(own.pid, own.start_time - 1).is_alive()


def test_stopping_a_process_that_ignores_the_polite_signal() -> None:
    script = 'trap "" TERM; echo ready; while :; do sleep 0.1; done'
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
        record = ProcessRecord.of(child.pid)
        assert record is not None
        assert record.stop(grace_seconds=0.3) is False
        assert not record.is_alive()


def test_a_reused_process_id_is_not_stopped() -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        record = ProcessRecord.of(child.pid)
        assert record is not None
        assert ProcessRecord(record.pid, record.start_time - 1).stop(grace_seconds=0.1) is True
        assert child.poll() is None
        child.terminate()


def test_a_failing_program_is_quoted() -> None:
    with pytest.raises(LabError, match="exit status 3") as caught:
        run(["sh", "-c", "echo why >&2; exit 3"])
    assert "why" in caught.value.hint
    with pytest.raises(LabError, match="not installed"):
        run(["gridmill-no-such-program"])


def test_everything_missing_is_named_at_once_with_one_command() -> None:
    findings = [Finding("program squid is missing", "squid"), Finding("no root"), Finding("program ip", "iproute2")]
    assert install_command(findings) == "apt-get install --no-install-recommends iproute2 squid"
    with pytest.raises(LabError) as caught:
        require(findings)
    assert all(finding.message in caught.value.message for finding in findings)
    require([])


def test_a_bare_host_is_told_every_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host_check, "_search_path", lambda: str(tmp_path))
    assert {"systemd-container", "mmdebstrap", "squid", "gnupg", "gcc", "apt-utils"} <= set(missing_packages())


def test_status_says_that_it_is_simulated() -> None:
    machine = {
        "name": "m1",
        "address": "198.18.4.65",
        "planned": True,
        "racked": True,
        "state": "up",
        "pid": 7,
        "memory_bytes": 20 * 2**20,
        "uptime_s": 3725.0,
        "simulated_gpus": 8,
    }
    status = {
        "site": "lab",
        "bridge": {"name": "gm-lab", "address": "198.18.0.1/20", "state": "up"},
        "proxy": {"address": "198.18.0.1:3142", "state": "up"},
        "machines": [machine],
    }
    text = render(status)
    assert "simulated site lab" in text
    assert "20 MiB" in text and "1 h 02 min" in text
    assert is_up(status)
    machine["state"] = "booting"
    assert not is_up(status)
