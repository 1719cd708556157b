"""Whether a running unit has read its files as they are now: pure, over times, and a note of what was put in force.

A file is applied when it has not changed since the unit started, or when it is the very file that an earlier run put
applied and noted. Change times (ctime) count: packages and copies keep modification times of long ago.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

EPOCH = datetime.fromtimestamp(0, UTC)
MICROSECOND = 1000
LIVE = frozenset({"active", "reloading", "activating", "deactivating", "failed", "refreshing", "maintenance"})
RUNNING = LIVE - {"failed", "deactivating"}
NOT_ENABLED = frozenset({"disabled", "masked", "masked-runtime", "bad"})
PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    "NeedDaemonReload",
    "InactiveExitTimestamp",
    "InactiveExitTimestampMonotonic",
)
READ_AGAIN = "daemon-reload"
"""systemd reads its units again; by itself that changes nothing that runs, so it counts for no change."""

Fingerprint = tuple[int, int]


@dataclass(frozen=True)
class Clock:
    """What time it is, in ns: since the epoch, and since the machine started."""

    real: int
    monotonic: int


@dataclass(frozen=True)
class Unit:
    """What systemd says about a unit; `started` is in ns since the epoch, the earliest that is possible."""

    loaded: bool
    live: bool
    reload_needed: bool
    started: int
    running: bool = True
    enabled: bool = True


def parse_unit(output: str, clock: Clock) -> Unit:
    """From `systemctl show --timestamp=us+utc` with PROPERTIES.

    A clock that was set after the unit started makes the two times that systemd keeps disagree; then the earlier one
    counts, so that a file may be applied once too often, and never once too little.
    """
    fields = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    ago = clock.monotonic - int(fields.get("InactiveExitTimestampMonotonic") or 0) * MICROSECOND
    return Unit(
        loaded=fields.get("LoadState") == "loaded",
        live=fields.get("ActiveState") in LIVE,
        reload_needed=fields.get("NeedDaemonReload") == "yes",
        started=min(recorded(fields.get("InactiveExitTimestamp", "")), clock.real - ago),
        running=fields.get("ActiveState") in RUNNING,
        enabled=fields.get("UnitFileState") not in NOT_ENABLED,
    )


def actions(unit: Unit, *, restart: bool, reload: bool, start: bool) -> list[str]:
    """What systemctl is to do: `restart` or `reload` because of files that are open, `start` to have the unit run now
    and whenever the machine starts. A unit that is not there yet will have to be started."""
    found = [READ_AGAIN] if unit.loaded and unit.reload_needed else []
    if start and not (unit.loaded and unit.enabled):
        found.append("enable")
    if unit.live and restart:  # also one whose file is missing until a task before writes it
        found.append("restart")
    elif start and not (unit.loaded and unit.running):
        found.append("start")
    elif unit.loaded and unit.live and reload:
        found.append("reload")
    return found


def recorded(text: str) -> int:
    """Sun 2026-11-22 00:32:02.995686 UTC, in ns since the epoch; 0 for a unit that never started."""
    match text.split():
        case [_, day, time, "UTC"]:
            moment = datetime.strptime(f"{day} {time}+0000", "%Y-%m-%d %H:%M:%S.%f%z")
            return (moment - EPOCH) // timedelta(microseconds=1) * MICROSECOND
    return 0


def fingerprint(path: Path) -> Fingerprint | None:
    """What tells a file from a later one of the same name; None when there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ctime_ns, status.st_ino


def outdated(found: Mapping[str, Fingerprint | None], noted: Mapping[str, Fingerprint], started: int) -> list[str]:
    """Files that changed since the unit started, and that no run has applied since."""
    return [
        name
        for name, print_ in found.items()
        if print_ is not None and print_[0] > started and noted.get(name) != print_
    ]


def noted_in(note: Path) -> dict[str, tuple[int, int]]:
    """What earlier runs applied since the machine started; an unreadable note counts as none."""
    try:
        return {name: (int(value[0]), int(value[1])) for name, value in json.loads(note.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError, LookupError):
        return {}
