"""A definition that a program hands over, as plain data: outputs in it are waited for, and must be known by then."""

import asyncio
import datetime
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.output import Unknown
from pulumi.runtime.sync_await import _sync_await

from gridmill.core.errors import Path as ProblemPath
from gridmill.core.errors import Problem

KNOWN = "a value that is known when the program runs"
HINT = "machines, addresses and power are planned before anything is made; take it from data, configuration or a file"


@dataclass(frozen=True)
class Composed:
    """A definition that is not the stack's own."""

    definition: Mapping[str, Any]
    directory: str
    """The one with `inventories/<site>/`, from the project's: no machine's path gets into the state."""

    @classmethod
    def at(cls, definition: Mapping[str, Any], directory: Path) -> "Composed":
        """With what stands beside it in a directory."""
        return cls(definition, os.path.relpath(directory))


def plain(value: Any, problems: list[Problem], path: ProblemPath = ()) -> Any:
    """The value as a YAML file would give it; what cannot be such a value is added to `problems`."""
    if isinstance(value, pulumi.Output):
        return _settled(value, problems, path)
    if isinstance(value, Mapping):
        problems += _odd_keys(value, path)
        return {str(key): plain(item, problems, (*path, str(key))) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, problems, (*path, index)) for index, item in enumerate(value)]
    return _scalar(value, problems, path)


def _scalar(value: Any, problems: list[Problem], path: ProblemPath) -> Any:
    """Dates become text. The engine hands numbers over as floats: whole ones become integers."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, Unknown):
        problems.append(Problem(path, "not known yet", KNOWN, HINT))
    elif value is not None and not isinstance(value, (str, bool, int, float)):
        expected = "text, a number, true or false, a date, a list, a mapping, or an output of these"
        problems.append(Problem(path, f"a {type(value).__name__}", expected))
    return value


def _settled(output: pulumi.Output[Any], problems: list[Problem], path: ProblemPath) -> Any:
    """What an output holds. The program's constructors cannot wait, so the event loop is run from here, as Pulumi does
    for its own invokes."""
    known, secret, value = _sync_await(
        asyncio.gather(output.is_known(), output.is_secret(), output.future(with_unknowns=True))
    )
    if secret:
        hint = "hand secrets over in `secrets`; pulumi.Output.unsecret, where this is none"
        problems.append(Problem(path, "a secret inside the definition", "nothing secret in it", hint))
        return None
    if not known:
        problems.append(Problem(path, "not known yet", KNOWN, HINT))
        return None
    return plain(value, problems, path)


def _odd_keys(value: Mapping[Any, Any], path: ProblemPath) -> Iterator[Problem]:
    for key in value:
        if not isinstance(key, (str, datetime.date)):
            yield Problem(path, f"the key {key!r} is a {type(key).__name__}", "text", "write it in quotes")
