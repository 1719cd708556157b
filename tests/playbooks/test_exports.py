"""Who may mount which volume: granted before the clients change, withdrawn after them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.storage import exports
from hypothesis import given
from hypothesis import strategies as st

from tests.playbooks.test_module_runs import load, run_module

A, B = "198.18.0.0/20", "10.0.0.0/24"
MASTER = "198.18.4.102"
MODE = st.sampled_from(["ro", "rw"])
SOME = st.dictionaries(st.tuples(st.sampled_from(["/home", "/data", "/scratch"]), st.sampled_from([A, B])), MODE)
KINDS = pytest.mark.parametrize("kind", ["moosefs", "nfs"])


def wider(one: str | None, other: str | None) -> bool:
    return ["rw", "ro", None].index(one) < ["rw", "ro", None].index(other)


@KINDS
@given(SOME)
def test_what_is_written_is_read_again(kind: str, some: exports.Exports) -> None:
    assert exports.parse(kind, exports.text(kind, some, MASTER)) == some


@given(SOME, SOME)
def test_a_grant_takes_nothing_away_a_withdrawal_gives_nothing_and_both_make_the_plan(
    wanted: exports.Exports, now: exports.Exports
) -> None:
    between = exports.granted(wanted, now)
    assert not [key for key in {*between, *now} if wider(now.get(key), between.get(key))]
    assert not [key for key in {*between, *wanted} if wider(wanted.get(key), between.get(key))]
    after = exports.withdrawn(wanted, between)
    assert not [key for key in {*after, *between} if wider(after.get(key), between.get(key))]
    assert after == wanted


@given(SOME, SOME)
def test_a_preview_of_the_withdrawal_foresees_it_though_nothing_was_granted_yet(
    wanted: exports.Exports, now: exports.Exports
) -> None:
    granted = exports.granted(wanted, now)
    before = {key for key in now if key not in exports.withdrawn(wanted, now)}
    assert before == {key for key in granted if key not in exports.withdrawn(wanted, granted)}


def test_the_formats() -> None:
    """As mfsexports.cfg(5) and exports(5) have them; root of a client is nobody."""
    volumes: dict[str, dict[str, Any]] = {
        "data": {"path": "/srv/gridmill/data", "read_only": True},
        "home": {"read_only": False},
    }
    wanted = exports.planned(volumes, [A, B])
    ends = "sync,no_subtree_check,root_squash,sec=sys)"
    assert exports.text("nfs", wanted).splitlines()[1:] == [
        f"/home {B}(rw,{ends} {A}(rw,{ends}",
        f"/srv/gridmill/data {B}(ro,{ends} {A}(ro,{ends}",
    ]
    assert exports.text("moosefs", exports.planned({"home": volumes["home"]}, [A]), MASTER).splitlines()[1:] == [
        f"{MASTER} / rw,admin,maproot=0:0",
        f"{A} /home rw,maproot=65534:65534",
    ]


class Server:
    """A server's file of exports."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.module = load("volume_exports")

    def run(self, step: str, *names: str, read_only: bool = False, check_mode: bool = False) -> dict[str, Any]:
        volumes = {name: {"read_only": read_only} for name in names}
        arguments = {"dest": str(self.path), "kind": "moosefs", "master": MASTER, "volumes": volumes}
        return run_module(self.module, {**arguments, "networks": [A], "step": step}, check_mode=check_mode)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "mfsexports.cfg")


def test_a_volume_that_leaves_is_served_until_it_is_withdrawn(server: Server) -> None:
    assert server.run("grant", "home", "scratch")["changed"]
    both = server.path.read_text()
    assert f"{A} /scratch rw" in both
    assert not server.run("grant", "home")["changed"] and server.path.read_text() == both
    pending_change = server.run("withdraw", "home", check_mode=True)
    assert server.path.read_text() == both
    done = server.run("withdraw", "home")
    assert done == pending_change and done["actions"] == [f"withdraw /scratch from {A}"]
    assert "/scratch" not in server.path.read_text() and server.path.stat().st_mode & 0o777 == 0o644
    assert not server.run("withdraw", "home")["changed"] and not server.run("grant", "home")["changed"]


def test_a_volume_is_writable_until_its_clients_only_read(server: Server) -> None:
    server.run("grant", "home")
    assert not server.run("grant", "home", read_only=True)["changed"]
    assert server.run("withdraw", "home", read_only=True)["actions"] == [f"/home ro for {A}"]
    assert not server.run("withdraw", "home")["changed"], "a withdrawal gives nothing"
    assert server.run("grant", "home")["actions"] == [f"/home rw for {A}"]


def test_what_somebody_else_wrote_is_not_taken_for_ours(server: Server) -> None:
    server.path.write_text(f"{A} /theirs rw,maproot=65534:65534\n")
    assert not server.run("withdraw", "home")["changed"]
    server.run("grant", "home")
    assert "/theirs" not in server.path.read_text()


def test_a_line_that_was_added_by_hand_goes(server: Server) -> None:
    server.run("grant", "home")
    ours = server.path.read_text()
    server.path.write_text(f"{ours}* / rw,alldirs\n")
    assert server.run("grant", "home")["actions"] == [f"write {server.path}"]
    assert server.path.read_text() == ours
