"""YAML as plain data plus the line of every key and item, read the way Pulumi reads it (YAML 1.2 scalars)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from gridmill.core.errors import Path, Problem, ProblemsError, printable

MAXIMUM_CHARACTERS = 4_000_000
"""A stack of 10,000 nodes is under 100 KB; more is a mistake or an attack."""

MAXIMUM_DEPTH = 64
"""Levels of nesting; a stack definition has about ten."""

MAXIMUM_REFUSALS = 20
"""So many aliases and tags are named; a thousand more would say nothing new."""

INDENTATION = "often the indentation, here or in a line above; or a bracket or quote that is not closed"
"""What makes most texts unreadable; parsers notice it a line or more further down."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: the same events, ten times faster."""

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_SPECIAL_FLOAT = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_NULLS = {"", "~", "null", "Null", "NULL"}


@dataclass(frozen=True)
class Document:
    """Plain data and, for every path in it, the line (counted from 1) where its key or item stands."""

    data: Any
    lines: dict[Path, int]


def parse(text: str, file: str) -> Document:
    """Parse one YAML document.

    Raises ProblemsError for text that is too long, is no YAML, has duplicate keys, aliases, or tags.
    """
    if len(text) > MAXIMUM_CHARACTERS:
        problem = Problem((), f"{len(text)} characters are too many", f"at most {MAXIMUM_CHARACTERS}", file=file)
        raise ProblemsError([problem])
    try:
        events = yaml.parse(text, Loader=_LOADER)
        refused = list(itertools.islice(_refused(events, file), MAXIMUM_REFUSALS))
        root = None if refused else yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        message = f"not YAML: {error.problem or error.context}"
        raise ProblemsError([Problem((), message, "a YAML document", INDENTATION, file, line)]) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ProblemsError([Problem((), f"not YAML: {error}", "a YAML document", INDENTATION, file)]) from error
    if refused:
        raise ProblemsError(refused)
    lines: dict[Path, int] = {}
    problems: list[Problem] = []
    data = None if root is None else _value(root, (), lines, problems)
    if problems:
        raise ProblemsError(problem.located(file, lines) for problem in problems)
    return Document(data, lines)


def _refused(events: Iterable[yaml.Event], file: str) -> Iterator[Problem]:
    """What YAML allows and a stack definition doesn't: aliases, tags, and nesting without end."""
    depth = 0
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            expected = "no aliases: Pulumi loses them whenever it rewrites the file"
            yield Problem((), f"alias *{printable(event.anchor)}", expected, "write the value out", file, line)
        elif isinstance(event, (yaml.ScalarEvent, yaml.CollectionStartEvent)) and event.tag is not None:
            yield Problem((), f"tag {printable(event.tag)}", "no tags", "remove the tag", file, line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAXIMUM_DEPTH:
            yield Problem((), "nested too deeply", f"at most {MAXIMUM_DEPTH} levels", "", file, line)
            return


def _value(node: yaml.Node, path: Path, lines: dict[Path, int], problems: list[Problem]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        return node.value if node.style else _plain(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines, problems) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 - the composer makes no other node
    result: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        key_path = (*path, key)
        if key in result:
            first = lines[key_path]
            lines_here = key_node.start_mark.line + 1
            problems.append(Problem(key_path, f"key stands twice, in lines {first} and {lines_here}", "each key once"))
            continue
        lines[key_path] = key_node.start_mark.line + 1
        result[key] = _value(value_node, key_path, lines, problems)
    return result


def _plain(text: str) -> Any:
    """The value of a plain scalar by YAML 1.2's core schema."""
    if text in _NULLS:
        return None
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INTEGER.match(text) and len(text) <= 20:  # noqa: PLR2004 - longer than any 64-bit integer
        return int(text)
    if _SPECIAL_FLOAT.match(text):
        return float(text.lower().replace(".", ""))
    return float(text) if _FLOAT.match(text) else text
