"""Storage on a node: mount units, directories, quotas. Nothing is hidden, given away or removed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks import storage as storage_checks
from ansible_collections.gridmill.site.plugins.module_utils.storage import moosefs, mounts, volumes
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result

from tests.playbooks.test_module_runs import Machine, load, run_module

HOME = {
    "mount": "/shared/home",
    "what": "192.0.2.2:9421:/home",
    "source": "mfs#192.0.2.2:9421/home",
    "type": "moosefs",
    "options": ["nosuid", "nodev", "_netdev", "nofail"],
}
MOUNTED = mounts.Mounted("mfs#192.0.2.2:9421/home", "fuse", read_only=False)
UNIT = "shared-home.mount"
MOUNTINFO = (
    "22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/x\n"
    "24 22 0:5 / /shared/home rw,nosuid,nodev,relatime shared:3 - fuse mfs\\0431{} rw,user_id=0,allow_other\n"
    "25 22 0:6 / /shared/with\\040blank ro,relatime shared:4 - nfs4 192.0.2.2:/a rw,vers=4.2\n"
)


def test_unit_names_are_systemds() -> None:
    """As `systemd-escape --path --suffix=mount` prints them."""
    assert mounts.unit_name("/shared/home") == UNIT
    assert mounts.unit_name("/data/my-set.1_a") == "data-my\\x2dset.1_a.mount"


def test_the_unit_holds_up_no_boot_and_slurmd_a_little() -> None:
    lines = mounts.unit_text("home", {**HOME, "what": "a%b:/c"}).splitlines()
    assert lines[0] == "# Written by Gridmill. Volume home."
    assert {"Before=slurmd.service", "What=a%%b:/c", "Where=/shared/home", "Type=moosefs", "TimeoutSec=30"} <= set(
        lines
    )
    assert "Options=nosuid,nodev,_netdev,nofail" in lines and "WantedBy=remote-fs.target" in lines


def test_the_retry_names_units_for_systemds_own_parser() -> None:
    texts = mounts.retry_texts(["data-my\\x2dset.mount", "scratch.mount"])
    command = next(line for line in texts["gridmill-mounts.service"].splitlines() if line.startswith("ExecStart="))
    assert command.endswith("start --no-block 'data-my\\\\x2dset.mount' 'scratch.mount'")


def test_mountinfo() -> None:
    found = mounts.parse_mountinfo(MOUNTINFO)
    assert found["/shared/home"].source == "mfs#1{}" and not found["/shared/home"].read_only
    assert found["/shared/with blank"] == mounts.Mounted("192.0.2.2:/a", "nfs4", read_only=True)
    assert mounts.parse_mountinfo("half a line\n") == {}


def test_nothing_is_mounted_over_what_is_there() -> None:
    work = mounts.compare({"home": HOME}, {}, {}, {"/shared/home": ["anna", "bram"]})
    assert not work.changed
    assert work.problems == [
        "/shared/home holds anna, bram, which mounting home would hide: move it, or mount home elsewhere"
    ]
    foreign = {"/shared/home": mounts.Mounted("/dev/sda1", "ext4", read_only=False)}
    work = mounts.compare({"home": HOME}, {}, foreign, {})
    assert not work.changed and "/dev/sda1 mounted, by somebody else" in work.problems[0]


def test_what_is_mounted_as_planned_stays() -> None:
    text = mounts.unit_text("home", HOME)
    assert not mounts.compare({"home": HOME}, {UNIT: text}, {"/shared/home": MOUNTED}, {}).changed
    adopted = mounts.compare({"home": HOME}, {}, {"/shared/home": MOUNTED}, {})
    assert list(adopted.write) == [UNIT] and not adopted.mount and not adopted.remount


def test_what_changed_is_mounted_anew_and_what_left_is_unmounted() -> None:
    text = mounts.unit_text("home", HOME)
    moved = {**HOME, "what": "192.0.2.3:9421:/home", "source": "mfs#192.0.2.3:9421/home"}
    work = mounts.compare({"home": moved}, {UNIT: text}, {"/shared/home": MOUNTED}, {})
    assert work.remount == ["home"] and list(work.write) == [UNIT] and not work.problems
    work = mounts.compare({}, {UNIT: text}, {"/shared/home": MOUNTED}, {})
    assert work.actions({}) == ["unmount /shared/home; its data stay on 192.0.2.2:9421:/home"]


class Node:
    """A machine below a directory: units and mounts, and a systemctl that mounts as it is told."""

    def __init__(self, root: Path) -> None:
        self.units, self.proc, self.point = root / "units", root / "proc", root / "shared" / "home"
        (self.proc / "self").mkdir(parents=True)
        self.units.mkdir()
        self.helpers = root / "sbin"
        self.helpers.mkdir()
        (self.helpers / "mount.moosefs").touch()
        self.volume = {**HOME, "mount": str(self.point)}
        self.mounted(False)
        self.machine = Machine(systemctl_start=self._start, umount=self._umount, systemctl_enable=self._enable)
        self.busy = False
        self.module = load("volume_mounts")
        self.module.UNITS, self.module.PROC, self.module.HELPERS = self.units, self.proc, (str(self.helpers),)
        self.module.run = self.machine
        self.module.PATIENCE = 0

    def mounted(self, yes: bool) -> None:
        line = f"24 22 0:5 / {self.point} rw - fuse mfs\\043192.0.2.2:9421/home rw\n"
        (self.proc / "self" / "mountinfo").write_text(line if yes else "")

    def _start(self) -> Result:
        self.mounted(True)
        return Result(0, "")

    def _umount(self) -> Result:
        if self.busy:
            return Result(32, "", "umount: target is busy.")
        self.mounted(False)
        return Result(0, "")

    def _enable(self) -> Result:
        for unit in self.machine.ran[-1].split()[3:]:
            wants = self.units / ("timers.target.wants" if unit.endswith(".timer") else "remote-fs.target.wants")
            wants.mkdir(exist_ok=True)
            (wants / unit).symlink_to(self.units / unit)
        return Result(0, "")

    def converge(self, volumes: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
        return run_module(self.module, {"volumes": volumes}, check_mode=check_mode)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_volume_is_mounted_once_and_check_mode_says_so_before(node: Node) -> None:
    wanted = {"home": node.volume}
    pending_change = node.converge(wanted, check_mode=True)
    assert pending_change["changed"] and node.machine.ran == [] and not list(node.units.iterdir())
    done = node.converge(wanted)
    assert done["actions"] == pending_change["actions"] and not done["failed"]
    again = node.converge(wanted)
    assert again["actions"] == [] and again["changed"] is False
    assert node.converge(wanted, check_mode=True)["changed"] is False


def test_a_volume_that_left_is_unmounted_when_it_is_free(node: Node) -> None:
    node.converge({"home": node.volume})
    node.busy = True
    busy = node.converge({})
    assert busy["failed"] and "is in use" in busy["msg"] and "the same command finishes this" in busy["msg"]
    assert list(node.units.glob("*.mount")), "its unit stays with it"
    node.busy = False
    done = node.converge({})
    assert (
        not done["failed"] and not list(node.units.glob("*.mount")) and not list(node.units.glob("gridmill-mounts.*"))
    )
    assert node.converge({}) == {"failed": False, "changed": False, "actions": []}


def test_a_busy_volume_keeps_its_old_unit_until_it_is_free(node: Node) -> None:
    node.converge({"home": node.volume})
    before = next(node.units.glob("*.mount")).read_text()
    node.busy = True
    other = {**node.volume, "options": [*node.volume["options"], "noatime"]}
    assert node.converge({"home": other})["failed"]
    assert next(node.units.glob("*.mount")).read_text() == before
    node.busy = False
    assert not node.converge({"home": other})["failed"]
    assert "noatime" in next(node.units.glob("*.mount")).read_text()


def test_a_missing_client_of_a_vendor_is_named(node: Node) -> None:
    answer = node.converge({"data": {**node.volume, "type": "wekafs"}})
    assert answer["failed"] and "there is no mount.wekafs" in answer["msg"]


def test_users_of_a_mount_are_named(node: Node) -> None:
    process = node.proc / "77"
    (process / "fd").mkdir(parents=True)
    (process / "comm").write_text("python3\n")
    for name, target in (("cwd", node.point / "anna"), ("root", Path("/")), ("fd/0", Path("/dev/null"))):
        (process / name).symlink_to(target)
    assert list(node.module.users_of(str(node.point))) == ["77 (python3)"]
    assert list(node.module.users_of(f"{node.point}s")) == []


def test_foreign_units_are_left_alone(node: Node) -> None:
    (node.units / "data.mount").write_text("[Mount]\nWhere=/data\n")
    node.converge({})
    assert (node.units / "data.mount").exists() and node.machine.ran == []


QUOTAS = (
    "{0}/home:\nsoft quota grace period: default\n"
    "          |        current value |           soft quota | percent |           hard quota | percent | \n"
    " inodes   |                    4 |                    - |       - |                    - |       - |\n"
    " length   |                 4553 |                    - |       - |                    - |       - |\n"
    "{0}/home/anna:\nsoft quota grace period: 1w (default)\n"
    " inodes   |                    3 |                    - |       - |                    5 |    0.00 |\n"
    " length   |                 4553 |                   17 |    0.00 |            100000000 |    0.00 |\n"
)


def test_quotas_are_read_and_only_what_differs_is_set() -> None:
    found = moosefs.parse_quotas(QUOTAS.format("/m"))
    assert found == {"/m/home": 0, "/m/home/anna": 100_000_000}
    plan = {"home": {"holds": "homes", "size": 0, "quota": 50, "quotas": {"anna": 100_000_000}}}
    wanted = moosefs.wanted_quotas("/m", plan, ["anna", "bram", "carla"])
    assert moosefs.quota_commands(wanted, found) == [["mfssetquota", "-n", "-L", "50", "/m/home/bram", "/m/home/carla"]]
    assert moosefs.quota_commands({"/m/home/anna": 0}, found) == [["mfsdelquota", "-n", "-L", "/m/home/anna"]]


def test_shared_volumes_have_no_quotas_of_users() -> None:
    plan = {"scratch": {"holds": "shared", "size": 7, "quota": 0, "quotas": {}}}
    assert moosefs.wanted_quotas("/m", plan, ["anna"]) == {"/m/scratch": 7}


def test_many_directories_take_several_commands() -> None:
    commands = moosefs.quota_commands({f"/m/{n}": 1 for n in range(450)}, {})
    assert [len(command) - 4 for command in commands] == [200, 200, 50]


def test_directories_of_volumes_and_users(tmp_path: Path) -> None:
    plan = {
        "home": {"path": str(tmp_path / "home"), "holds": "homes"},
        "scratch": {"path": str(tmp_path / "scratch"), "holds": "shared"},
    }
    people = [{"name": "anna", "uid": os.getuid()}]
    work = volumes.compare(volumes.directories(plan, people))
    assert [one.path.name for one in work.make] == ["home", "anna", "scratch"]


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to others")
def test_a_home_is_made_once_and_nothing_of_it_is_touched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skeleton = tmp_path / "skel"
    skeleton.mkdir()
    (skeleton / ".profile").write_text("# hello\n")
    monkeypatch.setattr(volumes, "SKELETON", skeleton)
    plan = {"home": {"path": str(tmp_path / "home"), "holds": "homes"}}
    wanted = volumes.directories(plan, [{"name": "anna", "uid": 2001}])
    volumes.carry_out(volumes.compare(wanted))
    home = tmp_path / "home" / "anna"
    status = home.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (2001, 2001, 0o700)
    assert (home / ".profile").stat().st_uid == 2001
    home.chmod(0o755)
    (home / ".profile").unlink()
    again = volumes.compare(wanted)
    assert again == volumes.Work([], [], [])


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to others")
def test_a_directory_of_somebody_else_is_never_given_away(tmp_path: Path) -> None:
    (tmp_path / "home" / "anna").mkdir(parents=True)
    (tmp_path / "home" / "bram").symlink_to("/etc")
    plan = {"home": {"path": str(tmp_path / "home"), "holds": "homes"}}
    people = [{"name": "anna", "uid": 2001}, {"name": "bram", "uid": 2002}]
    work = volumes.compare(volumes.directories(plan, people))
    assert work.problems == [
        f"{tmp_path}/home/anna belongs to uid 0, the plan says 2001",
        f"{tmp_path}/home/bram is no directory",
    ]


@pytest.mark.parametrize("trace", ["metadata.mfs", "metadata.mfs.back", "changelog.0.mfs", "metadata_ml.mfs.back"])
def test_metadata_of_any_age_are_never_replaced(tmp_path: Path, trace: str) -> None:
    module = load("moosefs_metadata")
    (tmp_path / "metadata.mfs.empty").write_text("MFSM NEW")
    (tmp_path / trace).touch()
    assert run_module(module, {"directory": str(tmp_path), "chunks": []})["changed"] is False
    assert (tmp_path / trace).read_text() == ""


def test_chunks_without_metadata_are_a_failure(tmp_path: Path) -> None:
    module = load("moosefs_metadata")
    (tmp_path / "mfs").mkdir()
    (tmp_path / "mfs" / "metadata.mfs.empty").write_text("MFSM NEW")
    chunks = tmp_path / "data" / "moosefs" / "0A"
    chunks.mkdir(parents=True)
    params = {"directory": str(tmp_path / "mfs"), "chunks": [str(chunks.parent)]}
    assert run_module(module, params, check_mode=True)["created"] is True
    (chunks / "chunk_000000000000000A_00000001.mfs").touch()
    answer = run_module(module, params)
    assert answer["failed"] and "the chunks would be deleted" in answer["msg"]
    assert not (tmp_path / "mfs" / "metadata.mfs").exists()


def test_a_disk_that_is_not_mounted_is_never_written_to(tmp_path: Path) -> None:
    module = load("storage_directories")
    params = {"directories": [str(tmp_path)], "mounted": True, "below": "x", "owner": "root", "mode": "0700"}
    answer = run_module(module, params)
    assert answer["failed"] and "is no mount point" in answer["msg"] and not (tmp_path / "x").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="gives files to others")
def test_directories_for_data_are_made_once(tmp_path: Path) -> None:
    module = load("storage_directories")
    params = {"directories": [str(tmp_path)], "mounted": False, "below": "x", "owner": "root", "mode": "0700"}
    assert run_module(module, params, check_mode=True)["made"] == [str(tmp_path / "x")]
    assert not (tmp_path / "x").exists()
    assert run_module(module, params)["changed"] is True
    assert run_module(module, params)["changed"] is False
    os.chown(tmp_path / "x", 2001, 2001)
    assert "belongs to uid 2001" in run_module(module, params)["msg"]


def answers(**by_tool: Result) -> Callable[[list[str]], Result]:
    return lambda argv: by_tool[argv[0]]


INFO = "24 22 0:5 / /shared/home rw,relatime shared:3 - fuse mfs\\043192.0.2.2:9421/home rw,user_id=0\n"
MOUNT_CHECK = {"check": "mounted", "path": "/shared/home", "source": HOME["source"], "read_only": False}


@pytest.mark.parametrize(
    ("info", "stat", "ok", "found"),
    [
        (Result(0, INFO), Result(0, "fuseblk"), True, "mfs#192.0.2.2:9421/home, writable"),
        (Result(0, INFO.replace("rw,relatime", "ro,relatime")), Result(0, ""), False, "read-only"),
        (Result(0, INFO.replace("9421/home", "9421/other")), Result(0, ""), False, "mfs#192.0.2.2:9421/other"),
        (Result(0, INFO), Result(124, "", "stat gave no answer within 30 s"), False, "but no answer: stat gave"),
        (Result(0, ""), Result(0, ""), False, "nothing mounted"),
        (Result(1, "", "no /proc"), Result(0, ""), False, "no /proc"),
    ],
)
def test_what_counts_as_mounted(info: Result, stat: Result, ok: bool, found: str) -> None:
    check = storage_checks.mounted(MOUNT_CHECK, answers(cat=info, stat=stat))
    assert check["ok"] is ok and found in check["found"] and bool(check["hint"]) is not ok


def chunk_servers(*servers: tuple[str, bool]) -> Result:
    rows = [{"ip": address, "connected": connected} for address, connected in servers]
    return Result(0, json.dumps({"dataset": {"chunkservers": rows}}))


@pytest.mark.parametrize(
    ("answer", "ok", "found"),
    [
        (chunk_servers(("192.0.2.2", True), ("192.0.2.3", True)), True, "192.0.2.2, 192.0.2.3"),
        (chunk_servers(("192.0.2.2", True), ("192.0.2.3", False)), False, "192.0.2.2"),
        (chunk_servers(("192.0.2.2", True), ("192.0.2.3", True), ("192.0.2.9", True)), False, "192.0.2.9"),
        (chunk_servers(("192.0.2.2", True), ("192.0.2.3", True), ("192.0.2.7", True)), True, "192.0.2.3"),
        (Result(0, "{}"), False, "no list of chunk servers"),
        (Result(0, "garbage"), False, "Expecting value"),
        (Result(MISSING, "", "mfscli is not installed"), False, "mfscli is not installed"),
    ],
)
def test_chunk_servers_are_those_of_the_plan(answer: Result, ok: bool, found: str) -> None:
    wanted = {"master": "192.0.2.2", "addresses": ["192.0.2.3", "192.0.2.2"], "others": ["192.0.2.7"]}
    check = storage_checks.moosefs_servers(wanted, answers(mfscli=answer))
    assert check["ok"] is ok and found in check["found"]


def test_exports() -> None:
    shown = Result(0, "/srv/gridmill/home  10.0.0.0/16(sync,wdelay,hide,rw,root_squash)\n")
    wanted = {"paths": ["/srv/gridmill/home"]}
    assert storage_checks.nfs_exports(wanted, answers(exportfs=shown))["ok"]
    more = {"paths": ["/srv/gridmill/home", "/srv/gridmill/b"]}
    assert not storage_checks.nfs_exports(more, answers(exportfs=shown))["ok"]
    missing = Result(MISSING, "", "exportfs is not installed")
    assert "not installed" in storage_checks.nfs_exports(wanted, answers(exportfs=missing))["found"]
