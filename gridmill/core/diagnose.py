"""Turns pydantic's errors into Problems: what was found, what was expected, and what would fix it."""

from __future__ import annotations

import difflib
import re
import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from gridmill.core.base import IN_WORDS
from gridmill.core.errors import Path, Problem, printable
from gridmill.core.secrets import BESIDE, SECRET_KEY

LONGEST_GUESS = 200
"""Characters of a value up to which it is worth guessing what was meant."""

NO_KEYS = frozenset({"[key]", "(mapping)", "(quantity)", "(word)"})
"""Parts of pydantic's places that do not stand in the file: for a key itself, and for the arm of a union."""


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """All problems of a failed validation; branches of a union are folded into one."""
    found = (_problem(item, model) for item in error.errors(include_url=False))
    return list(dict.fromkeys(found))


def _problem(item: Any, model: type[BaseModel]) -> Problem:
    kind: str = item["type"]
    raw: tuple[str | int, ...] = item["loc"]
    path = tuple(part for part in raw if part not in NO_KEYS)
    context: dict[str, Any] = item.get("ctx") or {}
    value = item.get("input")
    if kind == "extra_forbidden":
        known = known_keys(model, path[:-1])
        key = str(path[-1])[:LONGEST_GUESS]
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        hint = f"did you mean `{near[0]}`?" if near else "remove it"
        if SECRET_KEY.search(key) and not near:
            hint = f"remove it; {BESIDE}"
        return Problem(path, "unknown key", f"one of {', '.join(known)}" if known else "", hint)
    if kind == "missing":
        return Problem(path, "missing", _description(model, path), "add it")
    if "expected" in context and kind not in {"literal_error", "enum"}:
        return Problem(path, item["msg"], context["expected"], context.get("hint", ""))
    shown = printable(value) if isinstance(value, (str, int, float, bool)) else _kind(value)
    key = "as a key, " if "[key]" in raw else ""
    return Problem(path, f"{key}`{shown}` is not valid", _expectation(item, context), _hint(kind, value, context))


def _expectation(item: Any, context: dict[str, Any]) -> str:
    kind: str = item["type"]
    if kind == "literal_error":
        return f"one of {context['expected']}".replace("'", "")
    if kind == "string_pattern_mismatch":
        return IN_WORDS.get(context["pattern"], f"text that matches {context['pattern']}")
    message: str = item["msg"]
    return message.removeprefix("Input should be ").removeprefix("a valid ")


def _hint(kind: str, value: object, context: dict[str, Any]) -> str:
    if kind == "string_type" and isinstance(value, (int, float)):
        return "put it in quotes, digit for digit as it stands in the file"
    if kind == "list_type" and isinstance(value, str) and len(value) <= LONGEST_GUESS:
        return f"write it as a list: [{printable(value)}]"
    if kind == "string_pattern_mismatch" and isinstance(value, str) and len(value) <= LONGEST_GUESS:
        lower = value.lower()
        meant = lower != value and re.search(context["pattern"], lower)
        return f"write it in lower case: {printable(lower)}" if meant else ""
    return ""


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else type(value).__name__


def _description(model: type[BaseModel], path: Path) -> str:
    parent = model_at(model, path[:-1])
    if parent is None:
        return ""
    for name, field in parent.model_fields.items():
        if path[-1] in (name, field.alias):
            return (field.description or "").removesuffix(".")
    return ""


def known_keys(model: type[BaseModel], path: Path) -> list[str]:
    """Keys that the model at `path` knows, as written in the file."""
    found = model_at(model, path)
    return sorted(field.alias or name for name, field in found.model_fields.items()) if found else []


def model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model that describes the mapping at `path`, or None."""
    current: Any = model
    for part in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            if part not in fields:
                return None
            current = _unwrap(fields[str(part)].annotation)
        elif typing.get_origin(current) in (dict, list):
            current = _unwrap(typing.get_args(current)[-1])
        else:
            return None
    current = _unwrap(current)
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _unwrap(annotation: Any) -> Any:
    """Strip Annotated and Optional."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType):
            rest = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
            annotation = rest[0]
        else:
            return annotation
