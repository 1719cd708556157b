"""Folding names into ranges and back."""

from __future__ import annotations

import pytest
from ClusterShell.NodeSet import RESOLVER_NOGROUP, NodeSet
from hypothesis import given
from hypothesis import strategies as st

from gridmill.core.hostlist import expand, fold, names

node_names = st.builds(
    lambda pod, rack, unit: f"pod-{pod}-r{rack}-u{unit:02d}",
    st.sampled_from(["a", "b", "7"]),
    st.integers(1, 130),
    st.integers(1, 63),
)
any_names = st.one_of(
    node_names,
    st.builds(lambda number, width: f"n{number:0{width}d}", st.integers(0, 120), st.integers(1, 4)),
    st.sampled_from(["login", "a1b", "a2b", "x1y2z3", "x1y2z4", "x2y2z3"]),
)
"""Zero-padded beside others, without a number at the end, with three numbers."""


def others_reading(expressions: str) -> set[str]:
    """What ClusterShell understands by them."""
    return set(NodeSet(expressions, resolver=RESOLVER_NOGROUP))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["login"], ["login"]),
        (["n1"], ["n1"]),
        (["n1", "n2", "n3", "n5"], ["n[1-3,5]"]),
        (["n8", "n9", "n10"], ["n[8-10]"]),
        (["n08", "n09", "n10"], ["n[08-10]"]),
        (["p-r1-u01", "p-r1-u09", "p-r2-u01", "p-r2-u09"], ["p-r[1-2]-u[01,09]"]),
        (["p-r1-u01", "p-r2-u01", "p-r2-u09"], ["p-r1-u01", "p-r2-u[01,09]"]),
        (["b1", "a1"], ["a1", "b1"]),
    ],
)
def test_known_folds(names: list[str], expected: list[str]) -> None:
    assert fold(names) == expected


@given(st.sets(node_names, max_size=60))
def test_expanding_gives_back_exactly_the_names(names: set[str]) -> None:
    expanded = [name for expression in fold(names) for name in expand(expression)]
    assert sorted(expanded) == sorted(names)


@given(st.sets(node_names, max_size=30), st.randoms())
def test_order_is_of_no_matter(names: set[str], random: object) -> None:
    shuffled = sorted(names, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert fold(shuffled) == fold(sorted(names))


@given(st.sets(node_names, max_size=60))
def test_slurm_takes_at_most_two_ranges_and_one_at_the_end(names: set[str]) -> None:
    for expression in fold(names):
        assert expression.count("[") <= 2
        assert expression.endswith("]") or "[" not in expression


def test_a_thousand_racks_are_one_line() -> None:
    names = [f"pod-a-r{rack}-u{unit:02d}" for rack in range(1, 1001) for unit in (1, 9, 17, 25)]
    assert fold(names) == ["pod-a-r[1-1000]-u[01,09,17,25]"]


def test_names_of_several_expressions() -> None:
    assert list(names("p-r[1-2]-u[01,09],login,n[1-2]")) == [
        *("p-r1-u01", "p-r1-u09", "p-r2-u01", "p-r2-u09", "login", "n1", "n2"),
    ]
    assert list(names("")) == []


@given(st.sets(any_names, max_size=60))
def test_others_read_the_same(names_: set[str]) -> None:
    expressions = ",".join(fold(names_))
    assert others_reading(expressions) == names_
    assert set(names(expressions)) == names_


@given(st.sets(any_names, max_size=60))
def test_what_others_write_is_read(names_: set[str]) -> None:
    assert set(names(str(NodeSet.fromlist(sorted(names_), resolver=RESOLVER_NOGROUP)))) == names_
