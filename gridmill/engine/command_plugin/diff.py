"""What changed between recorded and wanted inputs, property by property, and what replaces the resource."""

from __future__ import annotations

import re
from typing import Any, Literal

from .properties import is_secret

Change = Literal["add", "delete", "update"]

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


def differences(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Change]:
    """Changes by property path (`stdin`, `environment.DIGEST`, `triggers[0]`)."""
    changes: dict[str, Change] = {}
    _compare_objects("", old, new, changes)
    return changes


def replaces(path: str) -> bool:
    """Whether a change at this path replaces the resource: triggers do, nothing else."""
    return path == "triggers" or path.startswith("triggers[")


def _compare(path: str, old: object, new: object, changes: dict[str, Change]) -> None:
    if isinstance(old, dict) and isinstance(new, dict) and not is_secret(old) and not is_secret(new):
        _compare_objects(path, old, new, changes)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            item = f"{path}[{index}]"
            if index >= len(old):
                changes[item] = "add"
            elif index >= len(new):
                changes[item] = "delete"
            else:
                _compare(item, old[index], new[index], changes)
    elif old != new:
        changes[path] = "update"


def _compare_objects(path: str, old: dict[str, Any], new: dict[str, Any], changes: dict[str, Change]) -> None:
    for key in sorted(old.keys() | new.keys()):
        item = _join(path, key)
        if key not in old:
            changes[item] = "add"
        elif key not in new:
            changes[item] = "delete"
        else:
            _compare(item, old[key], new[key], changes)


def _join(path: str, key: str) -> str:
    if not _PLAIN_KEY.match(key):
        escaped = key.replace("\\", "\\\\").replace('"', '\\"')
        return f'{path}["{escaped}"]'
    return f"{path}.{key}" if path else key
