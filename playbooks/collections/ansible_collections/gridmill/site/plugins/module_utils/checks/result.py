"""One check: what was expected, what was found, and what to do about the difference."""

from __future__ import annotations

from typing import TypedDict


class Check(TypedDict):
    """The shape in which every check leaves a node, whatever made it."""

    check: str
    ok: bool
    expected: str
    found: str
    hint: str


def result(check: str, *, ok: bool, expected: object, found: object, hint: str = "") -> Check:
    """Make a check; the hint is kept only where something is wrong."""
    return Check(check=check, ok=ok, expected=str(expected), found=str(found), hint="" if ok else hint)


def summary(checks: list[Check]) -> str:
    """One line that names every failed check; empty when all are well."""
    bad = [
        f"{one['check']}: expected {one['expected']}, found {one['found']}"
        + (f" ({one['hint']})" if one["hint"] else "")
        for one in checks
        if not one["ok"]
    ]
    return "; ".join(bad)
