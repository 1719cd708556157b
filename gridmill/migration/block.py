"""Cuts one entry out of a mapping in a YAML text, with the comments that belong to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Edit:
    """Characters that are replaced."""

    start: int
    end: int
    text: str


def content_end(text: str, node: yaml.Node) -> int:
    """Where the last character of a node stands, one further; a block collection's own mark is behind what follows."""
    if isinstance(node, yaml.ScalarNode):
        end: int = node.end_mark.index
        return len(text[:end].rstrip()) if node.style in ("|", ">") else end
    if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return content_end(text, last[1] if isinstance(last, tuple) else last)


def line_start(text: str, index: int) -> int:
    """Where the line of a character starts."""
    return text.rfind("\n", 0, index) + 1


def line_end(text: str, index: int) -> int:
    """Where the line of a character ends, its line end included."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1


def lines_end(text: str, index: int, column: int) -> int:
    """Where the lines of an entry at `column` end: its last one, and comments below it that are further in."""
    end = line_end(text, index)
    while end < len(text) and _comment_column(text[end : line_end(text, end)]) > column:
        end = line_end(text, end)
    return end


def cut_from_block(text: str, key: yaml.ScalarNode, value: yaml.Node, column: int, new: str) -> tuple[Edit, str]:
    """The lines of an entry of a block mapping: to be removed, and as they stand at `column` under its new key.

    Comments of its own column right above it belong to it, and comments right below that are further in.
    """
    own, first = key.start_mark.column, line_start(text, key.start_mark.index)
    start = first
    while start and _comment_column(text[(above := line_start(text, start - 1)) : start]) == own:
        start = above
    end = lines_end(text, content_end(text, value), own)
    quote = text[key.start_mark.index] if key.style else ""
    comments = text[start:first]
    entry = f"{text[first : key.start_mark.index]}{quote}{new}{quote}{text[key.end_mark.index : end]}"
    shift = own - column
    lines = [_shifted(line, shift) for line in f"{comments}{entry}".splitlines(keepends=True)]
    return Edit(start, end, ""), "".join(lines)


def cut_from_flow(
    text: str, entry: tuple[yaml.ScalarNode, yaml.Node], following: yaml.ScalarNode | None
) -> tuple[Edit, str]:
    """An entry of a flow mapping: to be removed with one comma, and the text of its value."""
    key, value = entry
    start, end = key.start_mark.index, content_end(text, value)
    moved = text[value.start_mark.index : end]
    if following is not None:
        comma = re.match(r"\s*,[ \t]*", text[end : following.start_mark.index])
        return Edit(start, end + (comma.end() if comma else 0), ""), moved
    comma = re.search(r",\s*\Z", text[:start])
    return Edit(comma.start() if comma else start, end, ""), moved


def _comment_column(line: str) -> int:
    """Column of a line that is nothing but a comment; -1 for any other."""
    stripped = line.lstrip(" ")
    return len(line) - len(stripped) if stripped.startswith("#") else -1


def _shifted(line: str, columns: int) -> str:
    """A line further out by so many columns, as far as it is indented."""
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(columns, spaces) :]
