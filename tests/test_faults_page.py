"""Every test that the page on faults names is there, and every fault names one."""

from __future__ import annotations

import re

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "concepts" / "faults.md").read_text(encoding="utf-8")
ROWS = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ")][1:]
TEST = re.compile(r"`(tests/[\w/.]+\.py)::(\w+)`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:50])
def test_who_has_seen_a_fault_is_there(row: list[str]) -> None:
    assert len(row) == 3
    named = TEST.findall(row[2])
    assert named and TEST.sub("", row[2]).strip(" ,") == ""
    for file, name in named:
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), (file, name)


def test_the_page_has_its_rows() -> None:
    assert len(ROWS) > 30
