"""Rotation of the cluster's keys: no order of machines, and no interruption, meets a signature that isn't known."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.slurm.keys import (
    KeysError,
    KeySet,
    accept,
    drop,
    parse,
    printed,
    read_by_daemon,
    sign,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

ONE = KeySet({1: "b25l"}, 1)
TWO = KeySet({1: "b25l", 2: "dHdv"}, 1)


def test_as_auth_slurm_reads_it() -> None:
    data = json.loads(printed(TWO))
    assert data == {
        "keys": [
            {"alg": "HS256", "kty": "oct", "kid": "1", "k": "b25l", "use": "default"},
            {"alg": "HS256", "kty": "oct", "kid": "2", "k": "dHdv"},
        ]
    }
    assert parse(printed(TWO)) == TWO


@pytest.mark.parametrize(
    "text", ["", "{}", '{"keys": [{"kid": "1"}]}', '{"keys": [{"kid": "a", "k": "secret-canary"}]}']
)
def test_what_is_not_ours_is_refused_and_never_shown(text: str) -> None:
    with pytest.raises(KeysError, match="no keys of Gridmill's making") as caught:
        parse(text)
    assert "canary" not in str(caught.value)


def test_the_first_key_signs_at_once_and_a_later_one_waits() -> None:
    first = accept(KeySet({}, 0), 1, lambda: "b25l")
    assert first == ONE
    assert accept(first, 1) == first
    assert accept(first, 2, lambda: "dHdv") == TWO
    assert len(accept(KeySet({}, 0), 1).keys[1]) == 88, "64 random bytes in base64"
    assert accept(KeySet({}, 0), 1) != accept(KeySet({}, 0), 1)


def test_stages_out_of_order_are_refused() -> None:
    with pytest.raises(KeysError, match="set keyEpoch to 2"):
        accept(TWO, 1)
    with pytest.raises(KeysError, match=r"no key of epoch 2 here \(known: 1\)"):
        sign(ONE, 2)
    with pytest.raises(KeysError, match="epoch 1 still signs here, not 2"):
        drop(TWO, 2)


def test_every_stage_is_repeated_without_a_change() -> None:
    signing = sign(TWO, 2)
    assert sign(signing, 2) == signing
    dropped = drop(signing, 2)
    assert dropped == KeySet({2: "dHdv"}, 2)
    assert drop(dropped, 2) == sign(dropped, 2) == accept(dropped, 2) == dropped


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_and_however_often_interrupted_everybody_understands_everybody(seed: int) -> None:
    chance = random.Random(seed)
    machines = dict.fromkeys(("controller", "gpu1", "gpu2", "login"), ONE)
    new = accept(ONE, 2)

    def brought(found: KeySet, epoch: int) -> KeySet:
        return found if epoch in found.keys else new

    for stage in (brought, sign, drop):
        done: set[str] = set()
        while len(done) < len(machines):  # a run may end anywhere; the next one starts at any machine
            name = chance.choice(list(machines))
            machines[name] = stage(machines[name], 2)
            done.add(name)
            for sender in machines.values():
                assert all(sender.signing in receiver.keys for receiver in machines.values())
    assert all(one == KeySet({2: new.keys[2]}, 2) for one in machines.values())


def test_read_is_what_the_daemon_has_read(tmp_path: Path) -> None:
    path = tmp_path / "slurm.jwks"
    path.write_text(printed(TWO), encoding="utf-8")

    def started(text: str) -> Result:
        return Result(0, f"ExecMainStartTimestamp={text}\n")

    wanted = {"unit": "slurmd", "epoch": 2}
    late, early = "Fri 2099-01-02 03:04:05.000000 UTC", "Thu 2020-01-02 03:04:05.000000 UTC"
    assert read_by_daemon(wanted, lambda _: started(late), path)["ok"] is True
    stale = read_by_daemon(wanted, lambda _: started(early), path)
    assert stale["ok"] is False and stale["found"] == "epoch 1 signs, 2 accepted, not read by slurmd yet"
    assert read_by_daemon({**wanted, "signing": True}, lambda _: started(late), path)["ok"] is False
    assert read_by_daemon({**wanted, "epoch": 3}, lambda _: started(late), path)["ok"] is False
    assert read_by_daemon(wanted, lambda _: Result(127, "", "systemctl is not installed"), path)["ok"] is False
    assert read_by_daemon(wanted, lambda _: started(late), tmp_path / "none")["ok"] is False
    assert "b25l" not in str(stale)
