"""What the roles themselves say about their tasks: meta/impact.yml of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import yaml

from gridmill.core.impact import CLASSES, DRAIN
from gridmill.operations.playbooks import ROLES
from gridmill.operations.roles import foreign_roles

NOT_DECLARED = "its role does not say what it means"


@dataclass(frozen=True)
class Impact:
    """A class of impact and its reason."""

    impact: str
    why: str


def impact_of(role: str, task: str, what: Iterable[str], feature: str = "") -> Impact:
    """What a changed task means; `feature` names the one from elsewhere that brings the role.

    `what` it changes may make it worse; a task that says nothing counts as `drain`.
    """
    entry = declared(role, feature).get(task)
    if entry is None:
        return Impact(DRAIN, NOT_DECLARED)
    lines = list(what)
    found = [Impact(entry["impact"], entry["why"])]
    found += [
        Impact(other["impact"], other["why"])
        for pattern, other in entry.get("but", {}).items()
        if any(fnmatchcase(line, pattern) for line in lines)
    ]
    return max(found, key=lambda one: CLASSES.index(one.impact))


@cache
def declared(role: str, feature: str = "") -> dict[str, Any]:
    """The declarations of a role by task; none for a role that has no such file."""
    path = (foreign_roles(feature) if feature else ROLES) / role / "meta" / "impact.yml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found
