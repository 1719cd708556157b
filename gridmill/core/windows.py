"""Maintenance windows: times of the week at which nodes may be taken from jobs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
PATTERN = (
    r"^(daily|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:-(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun))?)"
    r" ([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])$"
)
"""`Sat 02:00-06:00`, `Mon-Fri 22:00-05:00` (into the next morning), `daily 01:00-05:00`."""


@dataclass(frozen=True)
class Window:
    """A window: days of the week (Monday is 0) on which it opens, when, and for how long."""

    days: frozenset[int]
    opens: timedelta
    """Since midnight."""
    length: timedelta

    @classmethod
    def parse(cls, text: str) -> Window:
        """ValueError when it is not written like PATTERN. Equal times mean a whole day."""
        match = re.fullmatch(PATTERN, text)
        if match is None:
            raise ValueError(f"{text!r} is not a window such as 'Sat 02:00-06:00'")
        first, _, last = match[1].partition("-")
        if first == "daily":
            days = frozenset(range(7))
        else:
            start, end = DAYS.index(first), DAYS.index(last or first)
            days = frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))
        opens = timedelta(hours=int(match[2]), minutes=int(match[3]))
        closes = timedelta(hours=int(match[4]), minutes=int(match[5]))
        return cls(days, opens, closes - opens if closes > opens else closes - opens + timedelta(days=1))

    def closing(self, now: datetime) -> datetime | None:
        """When it closes, if it is open at this local time."""
        for back in (0, 1):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=back)
            start = midnight + self.opens
            if midnight.weekday() in self.days and start <= now < start + self.length:
                return start + self.length
        return None

    def next_opening(self, now: datetime) -> datetime:
        """When it opens next, at or after this local time."""
        for ahead in range(8):
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=ahead)
            if midnight.weekday() in self.days and midnight + self.opens >= now:
                return midnight + self.opens
        raise AssertionError("a window opens every week")


def closed(windows: Sequence[str], now: datetime) -> str:
    """Why nodes may not be taken from jobs at this local time; empty when they may: in a window, or without any."""
    parsed = [Window.parse(text) for text in windows]
    if not parsed or any(window.closing(now) for window in parsed):
        return ""
    opening = min(window.next_opening(now) for window in parsed)
    return f"outside of the maintenance windows; the next opens {opening:%a %Y-%m-%d %H:%M}"
