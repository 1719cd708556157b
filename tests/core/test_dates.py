"""Dates: as a person writes them, as Pulumi writes them back into the stack file, and as keys."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gridmill.core.dates import parse_date, parse_date_key, years_later
from gridmill.load import dates_as_written, examine_definition
from tests.conftest import ROOT

WRITTEN_BACK = " 00:00:00 +0000 UTC"


def test_a_file_that_pulumi_wrote_back_means_the_same(tmp_path: Path) -> None:
    text = (ROOT / "Pulumi.del1.yaml").read_text(encoding="utf-8")
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    path = tmp_path / "Pulumi.del1.yaml"
    path.write_text(text, encoding="utf-8")
    before, _ = examine_definition(path)
    changed = text.replace("from: 2027-04-01", f"from: 2027-04-01{WRITTEN_BACK}")
    changed = changed.replace("{2027-04-01: 300 kW", f"{{'2027-04-01{WRITTEN_BACK}': 300 kW")
    assert changed.count(WRITTEN_BACK) == 2
    path.write_text(changed, encoding="utf-8")
    after, problems = examine_definition(path)
    assert not problems
    assert after.data == before.data
    assert after.site == before.site


def test_only_midnight_is_a_date() -> None:
    assert dates_as_written([f"2027-04-01{WRITTEN_BACK}", 1, None]) == ["2027-04-01", 1, None]
    assert dates_as_written("2027-04-01 10:00:00 +0000 UTC") == "2027-04-01 10:00:00 +0000 UTC"


@given(st.dates(datetime.date(2000, 1, 1), datetime.date(2199, 12, 31)))
def test_a_date_is_its_own_key(day: datetime.date) -> None:
    assert parse_date_key(parse_date(str(day))) == str(day)


@pytest.mark.parametrize("text", ["0999-01-01", "9999-12-31", "2027-W13-4", "", None, 2027])
def test_no_date_of_a_plan(text: object) -> None:
    with pytest.raises(PydanticCustomError, match=r"is not a date|2027-W13-4"):
        parse_date_key(text)


@pytest.mark.parametrize(
    ("date", "later"), [("2027-04-01", "2028-04-01"), ("2028-02-29", "2029-03-01"), ("2027-02-28", "2028-02-28")]
)
def test_a_year_later(date: str, later: str) -> None:
    assert years_later(date) == later
