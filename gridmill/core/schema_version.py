"""Versions of the stack definition's schema: which one this Gridmill reads, and what its keys were called before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gridmill.core.errors import Path, Problem

SITE_KEY = "gridmill:site"
"""Where the site stands in a stack file, under `config:`."""

SCHEMA_VERSION = 2
"""The one that is read; `gridmill migrate` brings older ones to it."""

ANY = "*"
"""In a place: any key."""


@dataclass(frozen=True)
class Renamed:
    """A key of version 1 that has another name."""

    place: tuple[str, ...]
    """Where it stood."""
    key: str
    """Its name now."""
    listed: bool = False
    """Its one value is now a list."""


RENAMED = (
    Renamed(("scheduler", "partitions", ANY, "of"), "nodeGroups", listed=True),
    Renamed(("storage", "volumes", ANY, "of"), "servedBy"),
    Renamed(("power", "meters", ANY, "of"), "measures"),
)
MOVED = {("access", "directory"): "ldap"}
"""Sections that stood in another one and now stand for themselves."""

RENAMED_SECRETS = {"gridmill:directoryBindSecret": "gridmill:ldapBindSecret"}
"""Secrets beside the site, whose encrypted values stay as they are."""


def version_problem(data: Any, file: str) -> Problem | None:
    """The one problem of a definition of an older version, whatever else it lacks; None for any other."""
    found = data.get("schemaVersion") if isinstance(data, dict) else None
    if type(found) is not int or not 1 <= found < SCHEMA_VERSION:
        return None
    message = f"this is schemaVersion {found}, and this Gridmill reads {SCHEMA_VERSION}"
    hint = f"`gridmill migrate {file or 'FILE'}` rewrites it in place, with its comments"
    return Problem(("schemaVersion",), message, f"schemaVersion {SCHEMA_VERSION}", hint)


def secret_name_problems(config: Mapping[str, Any], file: str) -> Iterator[Problem]:
    """Secrets of the stack under the names that they had."""
    for old, new in RENAMED_SECRETS.items():
        if old in config:
            hint = f"`gridmill migrate {file}` renames it; its encrypted value stays as it is"
            yield Problem(("config", old), f"this secret is now called {new.partition(':')[2]}", new, hint)


def with_new_name(problem: Problem) -> Problem:
    """An unknown key that version 1 had: the same problem, with the key's name of today."""
    now = _new_name(problem.path)
    if problem.message != "unknown key" or not now:
        return problem
    return replace(problem, hint=f"since schemaVersion 2 it is `{now}`")


def _new_name(path: Path) -> str:
    for place, key in MOVED.items():
        if path == place:
            return f"{key}:` beside `{place[0]}:"
    for one in RENAMED:
        if fits(path, one.place):
            return f"{one.key}: [...]" if one.listed else one.key
    return ""


def fits(path: Path, place: tuple[str, ...]) -> bool:
    """Whether a path is this place."""
    return len(path) == len(place) and all(want in (ANY, key) for key, want in zip(path, place, strict=True))
