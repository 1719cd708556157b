"""Snapshots without machines: what is kept, what is put back, and who is told what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridmill.lab import cli, layers, snapshots, status
from gridmill.lab.errors import LabError
from gridmill.lab.layout import SitePaths
from gridmill.lab.progress import Progress
from gridmill.lab.rack import RackedSite, encode
from gridmill.lab.site import LabSite
from gridmill.lab.site_state import SiteState
from tests.lab_offline.test_machines import GPU_HOST, PLAIN_HOST, RACK

NAME = PLAIN_HOST.name


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SitePaths:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/backend")
    return SitePaths("lab")


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def stand(paths: SitePaths, name: str = NAME, *, stored: str = "first") -> None:
    """A machine that is off."""
    machine = paths.machine(name)
    write(machine.upper / "etc" / "file", stored)
    (machine.work / "work").mkdir(parents=True)
    write(machine.racked, json.dumps({"rootfs": str(paths.state.parent), "place": {"serial": "S"}}))


def rack(paths: SitePaths, stack: Path, made: RackedSite = RACK) -> LabSite:
    write(paths.rack, json.dumps({"stack": str(stack), "rack": encode(made)}))
    return LabSite(made, paths, Progress())


def freeze(paths: SitePaths, name: str) -> None:
    """A snapshot of one machine, as it is made between shutting down and booting."""
    layers.freeze(paths.machine(NAME), paths.layers)
    record = write(
        paths.snapshots / name / "machines" / NAME / "racked.json", paths.machine(NAME).racked.read_text("utf-8")
    )
    data = {"made": f"2026-01-0{len(name)}", "stack": "/x/Pulumi.lab.yaml", "machines": [record.parent.name]}
    write(paths.snapshots / name / "snapshot.json", json.dumps(data))


def test_what_a_machine_stored_becomes_a_layer_and_the_next_lies_above_it(paths: SitePaths) -> None:
    stand(paths)
    inode = (paths.machine(NAME).upper / "etc" / "file").stat().st_ino
    freeze(paths, "a")
    write(paths.machine(NAME).upper / "etc" / "file", "second")
    freeze(paths, "bb")
    newest, oldest = layers.lowers(paths.machine(NAME).racked)
    assert (newest / "etc" / "file").read_text("utf-8") == "second"
    assert (oldest / "etc" / "file").stat().st_ino == inode, "moved, not copied"
    assert not paths.machine(NAME).upper.exists() and not paths.machine(NAME).work.exists()
    assert json.loads(paths.machine(NAME).racked.read_text("utf-8"))["place"] == {"serial": "S"}


def test_a_killed_snapshot_loses_nothing_and_a_lost_layer_is_named(paths: SitePaths) -> None:
    stand(paths)
    freeze(paths, "a")
    racked = paths.machine(NAME).racked
    (layer,) = layers.lowers(racked)
    record = json.loads(racked.read_text("utf-8"))
    record["layers"] = [str(paths.layers / "never-moved"), *record["layers"]]
    write(racked, json.dumps(record))
    assert layers.lowers(racked) == [layer], "what was to become the newest layer is where it was"
    record["layers"] = [str(layer), str(paths.layers / "lost")]
    write(racked, json.dumps(record))
    with pytest.raises(LabError, match=rf"{NAME}: .*/lost, a part of its disk, is gone\n.*lab down, then up"):
        layers.lowers(racked)


def test_layers_go_when_nothing_stands_on_them(paths: SitePaths, capsys: pytest.CaptureFixture[str]) -> None:
    stand(paths)
    freeze(paths, "a")
    write(paths.machine(NAME).upper / "etc" / "file", "second")
    freeze(paths, "bb")
    site = rack(paths, Path("/x/Pulumi.lab.yaml"))
    snapshots.remove(site, "a")
    assert len(list(paths.layers.iterdir())) == 2, "the second one needs both"
    paths.machine(NAME).racked.unlink()
    snapshots.remove(site, "bb")
    assert list(paths.layers.iterdir()) == []
    assert snapshots.render(paths) == "site lab has no snapshots"


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-x"])
def test_names_that_are_none(paths: SitePaths, name: str) -> None:
    with pytest.raises(LabError, match="can't be the name"):
        snapshots.snapshot(rack(paths, Path("/x")), name)


def test_every_refusal_says_what_to_do(paths: SitePaths) -> None:
    site = rack(paths, Path("/x/Pulumi.lab.yaml"))
    with pytest.raises(LabError, match=r"no machines to keep\n.*lab up"):
        snapshots.snapshot(site, "a")
    with pytest.raises(LabError, match=r"has no snapshot 'a'\n.*lab snapshot a"):
        snapshots.restore(site, "a")
    stand(paths)
    freeze(paths, "a")
    with pytest.raises(LabError, match=r"a snapshot 'a' already\n.*--remove a"):
        snapshots.snapshot(site, "a")
    with pytest.raises(LabError, match=r"no snapshot 'b'\n.*its snapshots: a"):
        snapshots.remove(site, "b")
    (layer,) = layers.lowers(paths.machine(NAME).racked)
    layer.rename(layer.with_name("elsewhere"))
    with pytest.raises(LabError, match=rf"{layer} is gone\n.*--remove a"):
        snapshots.restore(site, "a")
    record = {"rootfs": "/", "layers": ["/x"] * 16}
    write(paths.machine(NAME).racked, json.dumps(record))
    with pytest.raises(LabError, match=r"16 layers of snapshots.*\n.*restore an older snapshot"):
        snapshots.snapshot(site, "b")
    write(paths.machine(NAME).racked, json.dumps({**record, "layers": []}))
    write(paths.state.parents[2] / "backend/.pulumi/locks/organization/gridmill/lab/1.json")
    with pytest.raises(LabError, match=r"Pulumi works on stack lab.*\n.*pulumi cancel --stack lab"):
        snapshots.snapshot(site, "b")


def test_keys_records_and_pulumis_state_go_back_and_nobody_elses(paths: SitePaths, tmp_path: Path) -> None:
    state = SiteState(paths, "lab")
    backend = tmp_path / "backend" / ".pulumi"
    mine, others = backend / "stacks/gridmill/lab.json", backend / "stacks/gridmill/other.json"
    history = backend / "history/gridmill/lab/1.json"
    report, key = state.gridmill / "reports/control.json", paths.state / "id_ed25519"
    everything = (mine, others, history, report, key, backend / "meta.yaml")
    for path in everything:
        write(path, "before")
    key.chmod(0o600)
    state.keep(tmp_path / "kept")
    for path in everything:
        write(path, "after")
    late = [write(history.with_name("2.json")), write(report.with_name("late.json")), write(paths.state / "late")]
    state.put_back(tmp_path / "kept")
    after = {others, backend / "meta.yaml"}
    assert {path for path in everything if path.read_text("utf-8") == "after"} == after
    assert [path for path in late if path.exists()] == []
    assert key.stat().st_mode & 0o777 == 0o600

    (backend / "meta.yaml").unlink()
    state.put_back(tmp_path / "kept")
    assert (backend / "meta.yaml").read_text("utf-8") == "before"


def test_a_state_that_pulumi_kept_elsewhere_is_left_alone(
    paths: SitePaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SiteState(paths, "lab")
    mine = write(tmp_path / "backend/.pulumi/stacks/gridmill/lab.json", "now")
    write(paths.state / "id_ed25519")
    with monkeypatch.context() as patch:
        patch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
        state.keep(tmp_path / "kept")
    state.put_back(tmp_path / "kept")
    assert mine.read_text("utf-8") == "now"


def test_down_without_a_stack_ends_no_site_that_nobody_named(paths: SitePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli.only_stack() == Path("Pulumi.lab.yaml")
    stand(paths)
    rack(paths, cli.DEFAULT_STACK.resolve())
    assert cli.only_stack() == Path("Pulumi.lab.yaml")
    other = SitePaths("other")
    stand(other)
    write(other.rack, json.dumps({"stack": "/x/Pulumi.other.yaml", "rack": {**encode(RACK), "name": "other"}}))
    with pytest.raises(LabError) as refused:
        cli.only_stack()
    assert f"lab down --stack {cli.DEFAULT_STACK.resolve()}" in str(refused.value)
    assert "lab down --stack /x/Pulumi.other.yaml" in str(refused.value)
    ended: list[str] = []
    monkeypatch.setattr("gridmill.lab.site.down", lambda one, *, keep_machines: ended.append(one.rack.name))
    assert cli.main(["down"]) == 1 and ended == []
    assert cli.main(["down", "--stack", "/x/Pulumi.other.yaml"]) == 0 and ended == ["other"]


def test_status_lists_what_is_planned_and_not_racked(paths: SitePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    stand(paths)
    standing = rack(paths, Path("/x"), RackedSite(**{**RACK.__dict__, "hosts": (PLAIN_HOST,)}))
    monkeypatch.setattr("gridmill.lab.network.is_up", lambda bridge: True)
    found = status.collect(standing, (GPU_HOST, PLAIN_HOST))
    assert {one["name"]: one["racked"] for one in found["machines"]} == {NAME: True, GPU_HOST.name: False}
    assert f"{GPU_HOST.name}  {GPU_HOST.address}   not racked (lab up)" in status.render(found)
    assert status.is_up(found) is False
