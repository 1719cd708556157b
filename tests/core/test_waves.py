"""Waves: few nodes first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.core.waves import waves

STEPS = st.lists(
    st.one_of(st.integers(1, 40).map(str), st.integers(1, 100).map(lambda share: f"{share} %")), min_size=1, max_size=4
)


@pytest.mark.parametrize(
    ("count", "steps", "sizes"),
    [
        (100, ["1", "5 %", "25 %"], [1, 5, 25, 25, 25, 19]),
        (3, ["1", "5 %", "25 %"], [1, 1, 1]),
        (8, ["1", "100 %"], [1, 7]),
        (10, ["100%"], [10]),
        (10, ["33 %"], [4, 4, 2]),
        (0, ["1"], []),
    ],
)
def test_sizes(count: int, steps: list[str], sizes: list[int]) -> None:
    assert [len(wave) for wave in waves([str(n) for n in range(count)], steps)] == sizes


def test_a_share_is_of_the_pod_when_few_of_its_nodes_change() -> None:
    assert [len(wave) for wave in waves(list("abcdefgh"), ["1", "25 %"], of=20)] == [1, 5, 2]


@given(count=st.integers(0, 300), steps=STEPS)
def test_every_node_is_in_one_wave_in_order(count: int, steps: list[str]) -> None:
    nodes = [f"n{n:03}" for n in range(count)]
    found = waves(nodes, steps)
    assert [node for wave in found for node in wave] == nodes
    assert all(found)


@pytest.mark.parametrize("steps", [[], ["0"], ["-1"], ["0 %"], ["101 %"], ["x"], ["1.5"]])
def test_what_is_no_step(steps: list[str]) -> None:
    with pytest.raises(ValueError):
        waves(["a"], steps)
