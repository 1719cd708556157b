"""Rollouts: nothing that runs is affected, nothing is resumed unchecked, and it stops where it should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.operations.run.rollout import FAILED, REASON, Outcome, Rollout, Settings

SETTINGS = Settings(steps=("1", "50 %"), failures=0, requeue=False, patience_s=60, reboot=True)


class World:
    """Nodes with jobs that end at their time; keeps what was done, and refuses what must not be."""

    def __init__(self, nodes: Iterable[str], jobs: Mapping[str, float] | None = None) -> None:
        self.nodes = list(nodes)
        self.now = 0.0
        self.ends = dict(jobs or {})
        self.reasons: dict[str, str] = {}
        self.bad: set[str] = set()
        self.due: dict[str, str] = {}
        self.dead: set[str] = set()
        self.checked: set[str] = set()
        self.log: list[tuple[str, list[str]]] = []
        self.requeued: list[str] = []
        self.said: list[str] = []

    def running(self, name: str) -> bool:
        return self.ends.get(name, 0.0) > self.now

    def drained(self) -> Mapping[str, str]:
        return dict(self.reasons)

    def drain(self, nodes: Iterable[str], reason: str) -> None:
        for name in nodes:
            self.reasons[name] = reason

    def resume(self, nodes: Iterable[str]) -> None:
        for name in nodes:
            assert name in self.checked, f"{name} is resumed unchecked"
            del self.reasons[name]
        if nodes:
            self.log.append(("resume", sorted(nodes)))

    def jobs(self, nodes: Iterable[str]) -> Mapping[str, list[str]]:
        return {name: [f"1{name}"] for name in nodes if self.running(name)}

    def requeue(self, jobs: Iterable[str]) -> None:
        self.requeued += jobs
        self.ends.clear()

    def change(self, nodes: list[str]) -> Mapping[str, str]:
        for name in nodes:
            assert name in self.reasons and not self.running(name), f"{name} is changed under jobs"
            self.checked |= {name} - self.bad
        self.log.append(("change", nodes))
        self.now += 30
        return {name: "check gpus" for name in nodes if name in self.bad}

    def reboot_due(self, nodes: list[str]) -> Mapping[str, str]:
        return {name: self.due[name] for name in nodes if name in self.due}

    def reboot(self, nodes: list[str]) -> Mapping[str, str]:
        self.log.append(("reboot", nodes))
        for name in nodes:
            del self.due[name]
            self.checked.discard(name)
        return {name: "does not come back" for name in nodes if name in self.dead}

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def roll(self, nodes: list[str] | None = None, settings: Settings = SETTINGS, halted: str = "") -> Outcome:
        rollout = Rollout(
            settings, self, self, self.said.append, halted=lambda: halted, sleep=self.sleep, clock=lambda: self.now
        )
        return rollout.run(self.nodes if nodes is None else nodes, len(self.nodes))


def test_one_then_half() -> None:
    world = World("abcde")
    assert world.roll() == Outcome(done=list("abcde"))
    assert world.log == [
        ("change", ["a"]), ("resume", ["a"]),
        ("change", ["b", "c", "d"]), ("resume", ["b", "c", "d"]),
        ("change", ["e"]), ("resume", ["e"]),
    ]  # fmt: skip
    assert world.reasons == {}
    assert world.said[1] == "wave 2 of 3: b, c, d; about 2 min left"


def test_jobs_may_end() -> None:
    world = World("ab", {"b": 50})
    assert world.roll().done == ["a", "b"]
    assert any("waiting for b: job 1b" in line for line in world.said)


def test_who_is_not_free_in_time_stays_drained_and_is_named() -> None:
    world = World("abc", {"b": 9999})
    outcome = world.roll()
    assert (outcome.done, outcome.waiting, outcome.failed) == (["a", "c"], {"b": ["1b"]}, {})
    assert world.reasons == {"b": REASON}


def test_jobs_are_requeued_where_that_is_the_policy() -> None:
    world = World("ab", {"a": 9999})
    assert world.roll(settings=Settings(("1",), 0, True, 60, True)).done == ["a", "b"]
    assert world.requeued == ["1a"]


def test_a_failure_stops_it_and_stays_drained() -> None:
    world = World("abcde")
    world.bad = {"a"}
    outcome = world.roll()
    assert outcome.failed == {"a": "check gpus"}
    assert (outcome.left, outcome.stopped) == (["b", "c", "d", "e"], "a failed, and the stack allows 0 failed nodes")
    assert world.reasons == {"a": FAILED}


def test_a_failure_budget() -> None:
    world = World("abcde")
    world.bad = {"a"}
    outcome = world.roll(settings=Settings(("1",), 1, False, 60, True))
    assert (outcome.done, sorted(outcome.failed), outcome.stopped) == (list("bcde"), ["a"], "")


def test_a_reboot_is_made_when_it_is_due_and_checked_again() -> None:
    world = World("ab")
    world.due = {"a": "kernel driver 550 is loaded"}
    assert world.roll().done == ["a", "b"]
    assert world.log[:4] == [("change", ["a"]), ("reboot", ["a"]), ("change", ["a"]), ("resume", ["a"])]


def test_no_reboot_without_permission() -> None:
    world = World("ab")
    world.due = {"a": "a reboot is due"}
    outcome = world.roll(settings=Settings(("1",), 0, False, 60, False))
    assert outcome.failed == {"a": "a reboot is due; the stack does not allow a reboot"}
    assert world.reasons == {"a": FAILED}


def test_a_machine_that_does_not_come_back() -> None:
    world = World("ab")
    world.due, world.dead = {"a": "due"}, {"a"}
    outcome = world.roll()
    assert outcome.failed == {"a": "does not come back"} and outcome.left == ["b"]


def test_what_somebody_else_drained_stays_drained() -> None:
    world = World("ab")
    world.reasons = {"a": "anna looks at a fan"}
    assert world.roll().done == ["a", "b"]
    assert world.reasons == {"a": "anna looks at a fan"}


def test_what_a_cut_off_rollout_left_comes_first() -> None:
    world = World("abcd")
    world.reasons = {"c": REASON}
    world.roll()
    assert world.log[0] == ("change", ["c"])
    assert world.reasons == {}


def test_a_halt_lets_no_further_wave_begin() -> None:
    world = World("ab")
    outcome = world.roll(halted="paused by anna")
    assert (outcome.stopped, outcome.left, world.log) == ("paused by anna", ["a", "b"], [])


@given(data=st.data(), count=st.integers(1, 12))
def test_every_node_ends_in_one_place(data: st.DataObject, count: int) -> None:
    """World asserts that no node is changed under jobs and none is resumed unchecked."""
    nodes = [f"n{n:02}" for n in range(count)]
    some = st.sets(st.sampled_from(nodes))
    world = World(nodes, {name: data.draw(st.sampled_from([20.0, 1e9])) for name in data.draw(some)})
    world.bad, world.dead = data.draw(some), data.draw(some)
    world.due = dict.fromkeys(data.draw(some), "due")
    others = data.draw(some)
    world.reasons = dict.fromkeys(others, "somebody else's")
    settings = Settings(
        ("1", "30 %"), data.draw(st.integers(0, 3)), data.draw(st.booleans()), 60, data.draw(st.booleans())
    )
    outcome = world.roll(settings=settings)
    places = [*outcome.done, *outcome.failed, *outcome.waiting, *outcome.left]
    assert sorted(places) == nodes
    assert not set(outcome.done) & (set(world.reasons) - others)
    assert all(world.reasons[name] == "somebody else's" for name in others)
    assert all(name in world.reasons for name in [*outcome.failed, *outcome.waiting])
    assert bool(outcome.left) <= bool(outcome.stopped)


@pytest.mark.parametrize("nodes", [[]])
def test_nothing_to_do(nodes: list[str]) -> None:
    assert World("ab").roll(nodes) == Outcome()
