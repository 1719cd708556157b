"""Slots written as ranges mean the same as slots written one by one."""

from __future__ import annotations

import pytest

from gridmill.core.ranges import LARGEST_RANGE, as_written, slots_of
from gridmill.core.sections.pods import NodeGroup


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("r1/u9", ["r1/u9"]),
        ("r[1-2]/u[1,9]", ["r1/u1", "r1/u9", "r2/u1", "r2/u9"]),
        ("r[01-02,10]/u4", ["r01/u4", "r02/u4", "r10/u4"]),
        ("hall-b-[8-10]/u[7]", ["hall-b-8/u7", "hall-b-9/u7", "hall-b-10/u7"]),
        ("r[2-1]/u1", ["r[2-1]/u1"]),
        ("r[1-2/u1", ["r[1-2/u1"]),
        ("r[1-1000]/u1", ["r[1-1000]/u1"]),
    ],
)
def test_slots_of_a_range(text: str, slots: list[str]) -> None:
    assert slots_of(text) == slots


def test_a_range_stands_for_no_more_than_a_pod_holds() -> None:
    assert len(slots_of("r[1-255]/u[1-63]")) == LARGEST_RANGE
    assert slots_of("r[1-256]/u[1-63]") == ["r[1-256]/u[1-63]"]


def test_a_group_has_its_slots_one_by_one() -> None:
    group = NodeGroup.model_validate({"sku": "dgx-h100", "at": ["r[1-2]/u[1,9]", "r3/u1"]})
    assert [str(slot) for slot in group.at] == ["r1/u1", "r1/u9", "r2/u1", "r2/u9", "r3/u1"]


def test_a_problem_is_where_a_person_wrote_it() -> None:
    data = {"pods": {"a": {"nodes": {"gpu": {"at": ["r1/u1", "r[1-2]/u[9,17]", "r9/u1"]}}}}}
    place = ("pods", "a", "nodes", "gpu", "at")
    assert [as_written((*place, position), data)[-1] for position in range(6)] == [0, 1, 1, 1, 1, 2]
    assert as_written(("pods", "a", "budget"), data) == ("pods", "a", "budget")
