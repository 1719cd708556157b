"""Checks of users from a directory: what sssd knows of them, and that it knows nobody who is the stack's own."""

from __future__ import annotations

from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

NOT_FOUND = 2
"""Exit status of getent when some names were not found; the others are printed."""


def directory(wanted: dict[str, Any], run: Run) -> Check:
    """sssd gives the planned users with their numbers, and the groups that may log in; nobody has what is of `own`."""
    users = {str(name): int(uid) for name, uid in wanted.get("users", {}).items()}
    own = {str(name): int(uid) for name, uid in wanted.get("own", {}).items()}
    groups = [str(name) for name in wanted["groups"]]
    expected = f"{len(users)} users, groups {', '.join(groups)}"
    found_groups, complaint = _known(run, "group", groups)
    numbers, second = _known(run, "passwd", [*users, *own, *map(str, own.values())])
    if complaint or second:
        return result("directory", ok=False, expected=expected, found=complaint or second, hint="systemctl status sssd")
    by_uid = {uid: name for name, uid in numbers.items()}
    wrong = [f"no group {name}" for name in groups if name not in found_groups]
    for name, uid in users.items():
        if name not in numbers:
            wrong.append(f"no user {name}")
        elif numbers[name] != uid:
            wrong.append(f"{name} has uid {numbers[name]}, planned {uid}")
    for name, uid in own.items():
        if name in numbers:
            wrong.append(f"{name} is in the directory too")
        elif uid in by_uid:
            wrong.append(f"uid {uid} of {name} is that of {by_uid[uid]} in the directory")
    hint = "journalctl --unit sssd; does the directory answer, with a certificate of caFile, and is base right?"
    return result("directory", ok=not wrong, expected=expected, found=", ".join(wrong) or expected, hint=hint)


def _known(run: Run, database: str, names: list[str]) -> tuple[dict[str, int], str]:
    """Numbers by name of those that sssd knows; and why it could not be asked."""
    if not names:
        return {}, ""
    answer = run(["getent", "-s", "sss", database, *names])
    if answer.status not in (0, NOT_FOUND):
        return {}, answer.complaint()
    rows = [line.split(":") for line in answer.output.splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) > 2 and row[2].isdigit()}, ""  # noqa: PLR2004
