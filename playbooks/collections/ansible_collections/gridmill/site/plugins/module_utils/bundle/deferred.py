"""Evaluates what depends on the results of tasks before: trees made by bundle/expressions.py. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Tree = list[Any]


class DeferredExpressionError(Exception):
    """An expression has no value here."""


class Missing:
    """A result, or a part of one, that does not exist."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> bool:
        raise DeferredExpressionError(f"{self.name} is undefined")


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "lt": lambda a, b: bool(a < b),
    "lteq": lambda a, b: bool(a <= b),
    "gt": lambda a, b: bool(a > b),
    "gteq": lambda a, b: bool(a >= b),
    "in": lambda a, b: a in b,
    "notin": lambda a, b: a not in b,
}


def value(tree: Tree, results: Mapping[str, Any]) -> Any:
    """The value of an expression, given the results by the names that tasks registered them under."""
    kind, first, *rest = tree
    if kind == "constant":
        found = first
    elif kind == "result":
        found = results.get(first, Missing(first))
    elif kind == "and":
        found = value(first, results) and value(rest[0], results)
    elif kind == "or":
        found = value(first, results) or value(rest[0], results)
    elif kind == "not":
        found = not value(first, results)
    elif kind == "attribute":
        found = _attribute(value(first, results), value(rest[0], results))
    else:
        found = CALLS[kind](first, *(value(one, results) for one in rest))
    return found


def _there(found: Any) -> Any:
    if isinstance(found, Missing):
        raise DeferredExpressionError(f"{found.name} is undefined")
    return found


def _attribute(found: Any, key: Any) -> Any:
    found = _there(found)
    try:
        return found[key]
    except (LookupError, TypeError):
        return Missing(str(key))


def _compare(name: str, left: Any, right: Any) -> bool:
    return COMPARISONS[name](_there(left), _there(right))


def _test(name: str, found: Any, *arguments: Any) -> bool:
    if name == "defined":
        return not isinstance(found, Missing)
    found = _there(found)
    if name == "match":
        return re.match(arguments[0], str(found)) is not None
    if name == "succeeded":
        return not found.get("failed", False)
    return bool(found.get(name, False))


def _filter(name: str, found: Any, *arguments: Any) -> Any:
    if name == "default":
        return arguments[0] if isinstance(found, Missing) else found
    found = _there(found)
    if name == "length":
        return len(found)
    if name == "list":
        return list(found)
    if name == "bool":
        return found if isinstance(found, bool) else str(found).lower() in {"yes", "on", "1", "true", "t", "y"}
    return [one for one in found if _test(arguments[0], one, *arguments[1:])]


CALLS: dict[str, Callable[..., Any]] = {"compare": _compare, "test": _test, "filter": _filter}
