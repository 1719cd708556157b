"""Maintenance windows."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridmill.core.windows import DAYS, Window, closed

SATURDAY = datetime(2026, 11, 21)
TEXTS = st.builds(
    "{} {:02}:{:02}-{:02}:{:02}".format,
    st.sampled_from(["daily", *DAYS, "Mon-Fri", "Sat-Mon"]),
    *[st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59)],
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1))


@pytest.mark.parametrize(
    ("windows", "at", "expected"),
    [
        ([], "00:00", ""),
        (["Sat 02:00-06:00"], "02:00", ""),
        (["Sat 02:00-06:00"], "05:59", ""),
        (["Sat 02:00-06:00"], "06:00", "outside of the maintenance windows; the next opens Sat 2026-11-28 02:00"),
        (["Mon-Fri 22:00-06:00"], "05:59", ""),
        (["Mon-Fri 22:00-06:00"], "06:00", "outside of the maintenance windows; the next opens Mon 2026-11-23 22:00"),
        (["Sat-Mon 12:00-13:00"], "11:00", "outside of the maintenance windows; the next opens Sat 2026-11-21 12:00"),
        (["Wed 01:00-02:00", "daily 23:00-00:30"], "00:15", ""),
        (["daily 10:00-10:00"], "03:00", ""),
    ],
)
def test_saturday(windows: list[str], at: str, expected: str) -> None:
    hours, minutes = at.split(":")
    assert closed(windows, SATURDAY + timedelta(hours=int(hours), minutes=int(minutes))) == expected


@given(text=TEXTS, now=MOMENTS)
def test_it_is_open_from_its_opening_to_its_closing(text: str, now: datetime) -> None:
    window = Window.parse(text)
    opening = window.next_opening(now)
    assert opening >= now and closed([text], opening) == ""
    closing = window.closing(opening)
    assert closing is not None and timedelta(0) < closing - opening <= timedelta(days=1)
    assert closed([text], closing - timedelta(minutes=1)) == ""


@pytest.mark.parametrize(
    "text", ["", "Sat", "Sat 2:00-3:00", "Sat 24:00-25:00", "sat 01:00-02:00", "Sat 01:00-02:00\n"]
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError):
        Window.parse(text)
