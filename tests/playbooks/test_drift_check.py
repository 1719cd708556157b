"""The drift check on a directory that stands for a machine: what is as it was recorded, and what is not."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.drift import check as drift_check
from ansible_collections.gridmill.site.plugins.module_utils.drift.observer import parse_status, told
from ansible_collections.gridmill.site.plugins.module_utils.slurm import live as live_slurm
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

STATUS = """\
Package: chrony
Status: install ok installed
Version: 4.6.1-3

Package: libnccl2
Status: hold ok installed
Architecture: amd64
Version: 1:2.22.3-1

Package: telnet
Status: deinstall ok config-files
Version: 0.17

"""
UNIT = """\
LoadState=loaded
ActiveState=active
UnitFileState=enabled
NeedDaemonReload=no
InactiveExitTimestamp=Fri 2100-01-01 00:00:00.000000 UTC
InactiveExitTimestampMonotonic=4000000000000000
"""
CONFIG = "SlurmctldDebug          = info\nBOOT_TIME               = 2026-11-22T01:00:00\n"
NODES = "NodeName=n1 Arch=x86_64 CPUTot=8 RealMemory=1000 Gres=gpu:h100:8 State=IDLE Weight=1\n"
PARTITIONS = "PartitionName=gpu Default=YES MaxTime=1-00:00:00 State=UP TotalNodes=1\n"
SHA1_OF_TEXT = "372ea08cab33e71c02c651dbc83a474d32c676ea"

ITEMS: list[dict[str, Any]] = [
    {"kind": "file", "name": "/etc/site.conf", "sha1": SHA1_OF_TEXT},
    {"kind": "file", "name": "/etc/not-here"},
    {"kind": "file", "name": "/etc/site.d"},
    {"kind": "file", "name": "/etc/localtime"},
    {"kind": "exists", "name": "/var/backup"},
    {"kind": "password", "name": "root"},
    {"kind": "dpkg", "name": "packages"},
    {"kind": "package", "name": "chrony", "pattern": "4.6*", "held": False, "absent": False},
    {"kind": "package", "name": "libnccl2", "pattern": "2.22.3*", "held": True, "absent": False},
    {"kind": "package", "name": "telnet", "pattern": "", "held": False, "absent": True},
    {"kind": "unit", "name": "chrony", "started": True, "restart": ["/etc/site.conf"], "reload": []},
    {"kind": "slurm", "name": "loaded configuration"},
]


class Machine:
    """A directory, and programs that answer from it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unit = UNIT
        self.slurm = {"config": CONFIG, "nodes": NODES, "partitions": PARTITIONS}
        for name in ("etc/site.d", "var/backup", "var/lib/dpkg/updates", "run/gridmill/in-force"):
            (root / name).mkdir(parents=True)
        self.write("etc/site.conf", "text")
        self.write("var/lib/dpkg/status", STATUS)
        self.write("etc/shadow", "root:$y$hash:1::::::\n")
        (root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Europe/Amsterdam")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)

    def ask(self, argv: list[str]) -> Result:
        if argv[0] == "systemctl":
            return Result(0, self.unit)
        return Result(0, self.slurm[argv[-1]])

    def baseline(
        self, items: list[dict[str, Any]] | None = None, scope: str = "pod-a", digest: str = "d1"
    ) -> dict[str, Any]:
        request = {"scope": scope, "digest": digest, "plan": "p", "at": "t", "items": ITEMS if items is None else items}
        answer: dict[str, Any] = drift_check.baseline(request, self.root, self.ask)
        return answer

    def compared(self, **request: Any) -> dict[str, Any]:
        answer: dict[str, Any] = drift_check.compared(request, self.root, self.ask)["scopes"]
        return answer

    def found(self) -> list[str]:
        return [f"{one['name']}: {one['found']}" for one in self.compared()["pod-a"]["differences"]]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_that_was_left_alone_is_as_it_was_left(machine: Machine) -> None:
    assert machine.baseline() == {"schema": drift_check.SCHEMA, "recorded": True, "differences": []}
    assert machine.compared() == {
        "pod-a": {"digest": "d1", "plan": "p", "at": "t", "items": len(ITEMS), "differences": []}
    }


def slurm(what: str, old: str, new: str) -> Callable[[Machine], None]:
    def change(machine: Machine) -> None:
        machine.slurm[what] = machine.slurm[what].replace(old, new)

    return change


def status(old: str, new: str) -> Callable[[Machine], None]:
    return lambda machine: machine.write("var/lib/dpkg/status", STATUS.replace(old, new))


def unit(old: str, new: str) -> Callable[[Machine], None]:
    def change(machine: Machine) -> None:
        machine.unit = machine.unit.replace(old, new)

    return change


def link(machine: Machine) -> None:
    (machine.root / "etc/localtime").unlink()
    (machine.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/UTC")


SPOILED: list[tuple[Callable[[Machine], Any], str]] = [
    (lambda m: m.write("etc/site.conf", "text # spoiled"), "/etc/site.conf: other content"),
    (lambda m: (m.root / "etc/site.conf").chmod(0o600), "/etc/site.conf: other mode 0600, was 0644"),
    (lambda m: (m.root / "etc/site.conf").unlink(), "/etc/site.conf: is gone"),
    (lambda m: m.write("etc/not-here", ""), "/etc/not-here: is a file, was absent"),
    (lambda m: (m.root / "etc/site.d").chmod(0o777), "/etc/site.d: other mode 0777, was 0755"),
    (lambda m: (m.root / "etc/site.d").rmdir(), "/etc/site.d: is gone"),
    (link, "/etc/localtime: other target /usr/share/zoneinfo/UTC, was /usr/share/zoneinfo/Europe/Amsterdam"),
    (lambda m: (m.root / "etc/localtime").unlink(), "/etc/localtime: is gone"),
    (lambda m: (m.root / "var/backup").rmdir(), "/var/backup: is gone"),
    (lambda m: m.write("etc/shadow", "root:$y$other:1::::::\n"), "root: is another"),
    (lambda m: m.write("etc/shadow", "x:*:1::::::\n"), "root: there is no such account"),
    (lambda m: m.write("var/lib/dpkg/updates/0001", ""), "packages: dpkg was interrupted"),
    (status("install ok installed", "install ok half-configured"), "packages: not configured: chrony"),
    (status("install ok installed", "deinstall ok config-files"), "chrony: is not installed"),
    (status("4.6.1-3", "4.7-1"), "chrony: version 4.7-1 is installed, planned is 4.6*"),
    (status("hold ok installed", "install ok installed"), "libnccl2: is not on hold"),
    (status("deinstall ok config-files", "install ok installed"), "telnet: is installed again"),
    (unit("ActiveState=active", "ActiveState=inactive"), "chrony: is not running"),
    (unit("UnitFileState=enabled", "UnitFileState=disabled"), "chrony: is not enabled"),
    (unit("LoadState=loaded", "LoadState=not-found"), "chrony: systemd does not know it"),
    (unit("Fri 2100", "Fri 2000"), "chrony: has not read /etc/site.conf"),
    (slurm("config", "info", "debug"), "loaded configuration: SlurmctldDebug is debug, was info"),
    (slurm("nodes", "RealMemory=1000", "RealMemory=900"),
     "loaded configuration: node n1 RealMemory is 900, was 1000"),
    (slurm("partitions", "State=UP", "State=DOWN"), "loaded configuration: partition gpu State is DOWN, was UP"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "finding"), SPOILED)
def test_whatever_is_spoiled_is_found(machine: Machine, spoil: Callable[[Machine], Any], finding: str) -> None:
    machine.baseline()
    spoil(machine)
    assert finding in machine.found()


def test_what_changes_by_itself_is_no_finding(machine: Machine) -> None:
    machine.baseline()
    slurm("config", "01:00:00", "02:00:00")(machine)
    slurm("nodes", "State=IDLE", "State=ALLOCATED")(machine)
    slurm("partitions", "TotalNodes=1", "TotalNodes=0")(machine)
    status("4.6.1-3", "4.6.1-4")(machine)
    assert machine.found() == []


def test_a_machine_where_something_is_wrong_is_not_recorded(machine: Machine) -> None:
    machine.baseline()
    unit("UnitFileState=enabled", "UnitFileState=disabled")(machine)
    assert machine.baseline()["differences"] == [{"kind": "unit", "name": "chrony", "found": "is not enabled"}]
    assert machine.compared() == {}, "the baseline of the run before is gone, too"


def test_who_was_faster_than_the_seal_is_found(machine: Machine) -> None:
    machine.write("etc/site.conf", "by hand")
    (found,) = machine.baseline()["differences"]
    assert found["found"] == "was changed after the run wrote it"


def test_only_the_scopes_that_are_asked_for_are_compared(machine: Machine) -> None:
    machine.baseline(ITEMS[:1], "storage", "d2")
    machine.baseline()
    assert set(machine.compared()) == {"storage", "pod-a"}
    assert set(machine.compared(digests={"storage": "d2"})) == {"storage"}
    assert machine.compared(digests={"keys": "x"}) == {}


def test_a_run_takes_back_the_word_of_the_one_before_where_it_has_something_to_do(machine: Machine) -> None:
    machine.baseline(ITEMS[:1], "storage", "d2")
    machine.baseline()
    assert machine.compared(digests={"pod-a": "d1"}, invalidate=True) and set(machine.compared()) == {
        "storage",
        "pod-a",
    }
    assert machine.compared(digests={"pod-a": "new"}, invalidate=True)["pod-a"]["digest"] == "d1"
    assert set(machine.compared()) == {"storage"}
    machine.write("etc/site.conf", "x")
    assert machine.compared(digests={"storage": "d2"})["storage"]["differences"] and set(machine.compared()) == {
        "storage"
    }
    assert machine.compared(digests={"storage": "d2"}, invalidate=True)["storage"]["differences"]
    assert machine.compared() == {}


def test_what_another_phase_writes_counts_for_all(machine: Machine) -> None:
    machine.baseline()
    machine.write("etc/site.conf", "new key")
    assert machine.found()
    machine.baseline([{"kind": "file", "name": "/etc/site.conf"}], "keys", "")
    assert machine.found() == [] and set(machine.compared()) == {"pod-a"}


def test_a_seal_is_roots_alone_and_holds_no_content(machine: Machine) -> None:
    machine.baseline()
    path = machine.root / drift_check.STATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "$y$" not in text and '"text"' not in text
    other = Machine(machine.root / "other")
    other.baseline()
    values = [json.loads((root / drift_check.STATE).read_text())["values"] for root in (machine.root, other.root)]
    assert values[0]["password root"] != values[1]["password root"], "each machine has its own salt"


def test_comparing_changes_nothing(machine: Machine) -> None:
    machine.baseline()

    def everything() -> dict[str, tuple[int, int]]:
        paths = [Path(place) / name for place, _, files in os.walk(machine.root) for name in files]
        return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_ino) for path in paths}

    before = everything()
    machine.write("etc/site.d/x", "")
    (machine.root / "etc/site.d/x").unlink()
    machine.compared()
    assert everything() == before


def test_baselines_that_cannot_be_read_are_none(machine: Machine) -> None:
    machine.baseline()
    machine.write(str(drift_check.STATE), "{")
    assert machine.compared() == {}
    machine.write(str(drift_check.STATE), '{"schema": "gridmill.baseline/v0", "scopes": {"pod-a": 1}}')
    assert machine.compared() == {} and machine.baseline()["recorded"]


def test_dpkgs_record_of_several_architectures() -> None:
    text = "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nStatus: install ok installed\nVersion: 2\n\n"
    assert parse_status(text)["a"]["Version"] == "2"
    assert parse_status("") == {}


def test_a_module_says_itself_what_it_would_do() -> None:
    assert told({"diff": {"prepared": "+GPU 0: 500 W\n"}}) == "would do: +GPU 0: 500 W"
    assert told({"diff": {"before": "wrong\n", "after": "n1\n"}}) == "would do: wrong -> n1"
    assert told({}) == "would do: change something"
    old, new = "# Written by Gridmill\nA=1\nMaxTime=8\nB=2\n", "# Written by Gridmill\nA=1\nMaxTime=9\nB=3\n"
    assert told({"diff": {"before": old, "after": new}}) == "would do: MaxTime=8 -> MaxTime=9 and 1 more lines"
    assert told({"diff": {"before": old, "after": f"{old}C=1\n"}}) == "would do: nothing -> C=1"


def test_slurm_that_does_not_answer_is_a_finding() -> None:
    assert live_slurm.configuration(lambda _: Result(1, "", "connection refused"))[1] == (
        "scontrol show config: connection refused"
    )


def test_sockets_that_a_node_tells_later_are_no_difference() -> None:
    def shown(places: str) -> dict[str, str]:
        texts = {
            "config": CONFIG,
            "nodes": NODES.replace("gpu:h100:8", f"gpu:h100:8{places}"),
            "partitions": PARTITIONS,
        }
        found: dict[str, str] = live_slurm.configuration(lambda argv: Result(0, texts[argv[-1]]))[0]
        return found

    assert live_slurm.difference(shown(""), shown("(S:0-1)")) == ""
    assert shown("")["node n1 Gres"] == "gpu:h100:8"
