"""Rewrites the text of a stack file of version 1: only what has to change, character by character.

Comments, order, quotes, indentation and line ends of everything else stay, since nothing else is touched: a YAML
library that writes documents anew would reformat what a person, or Pulumi, wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from gridmill.core.errors import Path, Problem, ProblemsError, path_text, printable
from gridmill.core.schema_version import ANY, MOVED, RENAMED, RENAMED_SECRETS, SCHEMA_VERSION, SITE_KEY, Renamed
from gridmill.core.yaml_lines import parse
from gridmill.migration.block import Edit, content_end, cut_from_block, cut_from_flow, lines_end
from gridmill.migration.data import listed, migrated_document

BY_HAND = "write it by hand; docs/guides/migrate.md says what each key is called"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./-]*")
"""A plain scalar that means the same inside of a flow list."""


@dataclass(frozen=True)
class Change:
    """One thing that is rewritten, for people."""

    line: int
    old: str
    new: str

    def __str__(self) -> str:
        """One line."""
        return f"line {self.line}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Migration:
    """A stack file as it is to be written."""

    text: str
    changes: tuple[Change, ...]
    """None where the file is of this version already."""


def migrate(text: str, file: str) -> Migration:
    """The text in this version.

    Raises ProblemsError for what is no stack file, is of an unknown version, or can't be rewritten without loss.
    """
    document = parse(text, file)
    _refuse(document.data, file, document.lines)
    work: list[Work] = []
    for key, value in _entries(_under(yaml.compose(text, Loader=yaml.SafeLoader), "config")):
        if key.value in RENAMED_SECRETS:
            work.append(_rename(text, key, RENAMED_SECRETS[key.value], ("config", key.value)))
        elif key.value == SITE_KEY and document.data["config"][SITE_KEY]["schemaVersion"] != SCHEMA_VERSION:
            work += _site(text, value)
    edits = sorted((edit for edit, _ in work), key=lambda edit: (edit.start, edit.end))
    new = _applied(text, edits)
    changes = sorted((change for _, change in work if change), key=lambda change: change.line)
    if _meaning(new, file) != migrated_document(document.data):
        message = "cannot be rewritten without touching more than its own lines"
        raise ProblemsError([Problem((), message, "one key a line, or flow style", BY_HAND, file)])
    return Migration(new, tuple(changes))


def _refuse(data: Any, file: str, lines: dict[Path, int]) -> None:
    config = data.get("config") if isinstance(data, dict) else None
    site = config.get(SITE_KEY) if isinstance(config, dict) else None
    if not isinstance(config, dict) or not isinstance(site, dict):
        problem = Problem(("config", SITE_KEY), "missing", "the site under `config:`", file=file)
        raise ProblemsError([problem.located(file, lines)])
    problems = []
    found = site.get("schemaVersion")
    if type(found) is not int or not 1 <= found <= SCHEMA_VERSION:
        path: Path = ("config", SITE_KEY, "schemaVersion")
        message = f"`{printable(found)}` is not known" if found is not None else "missing"
        problems.append(Problem(path, message, f"1 to {SCHEMA_VERSION}", "a newer Gridmill may know it"))
    for (section, key), new in MOVED.items():
        holder = site.get(section)
        if found != SCHEMA_VERSION and isinstance(holder, dict) and key in holder and new in site:
            message = f"stands beside {section}.{key}, which is to be called so"
            problems.append(Problem(("config", SITE_KEY, new), message, "one of them", "remove one"))
    for old, new in RENAMED_SECRETS.items():
        if old in config and new in config:
            problems.append(Problem(("config", old), f"stands beside {new}, its new name", "one of them", "remove one"))
    if problems:
        raise ProblemsError(problem.located(file, lines) for problem in problems)


def _under(node: yaml.Node | None, name: str) -> yaml.Node:
    return next(value for key, value in _entries(node) if key.value == name)


def _entries(node: yaml.Node | None) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """Keys and values of a mapping; nothing for anything else, or keys that are no scalars."""
    if not isinstance(node, yaml.MappingNode):
        return []
    return [(key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]


Work = tuple[Edit, Change | None]


def _site(text: str, site: yaml.Node) -> Iterator[Work]:
    for key, value in _entries(site):
        if key.value == "schemaVersion":
            change = Change(_line(value), "schemaVersion: 1", f"schemaVersion: {SCHEMA_VERSION}")
            yield Edit(value.start_mark.index, value.end_mark.index, str(SCHEMA_VERSION)), change
    for one in RENAMED:
        for path, key, value in _at(site, one.place, ()):
            yield _rename(text, key, one.key, path)
            yield from _list(text, value, one)
    for (section, name), new in MOVED.items():
        for holder_key, holder in _entries(site):
            if holder_key.value == section:
                yield from _move(text, site, (holder_key, holder), name, new)


def _at(node: yaml.Node, place: tuple[str, ...], path: Path) -> Iterator[tuple[Path, yaml.ScalarNode, yaml.Node]]:
    here, *rest = place
    for key, value in _entries(node):
        if here in (ANY, key.value):
            if rest:
                yield from _at(value, tuple(rest), (*path, key.value))
            else:
                yield (*path, key.value), key, value


def _rename(text: str, key: yaml.ScalarNode, new: str, path: Path) -> Work:
    start, end = key.start_mark.index, key.end_mark.index
    quote = text[start] if key.style else ""
    change = Change(_line(key), path_text(path), path_text((*path[:-1], new)))
    return Edit(start, end, f"{quote}{new}{quote}"), change


def _list(text: str, value: yaml.Node, one: Renamed) -> Iterator[Work]:
    """Brackets around one value."""
    if not isinstance(value, yaml.ScalarNode) or not isinstance(listed(_scalar(value), one), list):
        return
    start, end = value.start_mark.index, content_end(text, value)
    raw = text[start:end]
    if value.style not in ("'", '"') and not _PLAIN.fullmatch(raw):
        raw = json.dumps(value.value)
    yield Edit(start, end, f"[{raw}]"), None


def _scalar(value: yaml.ScalarNode) -> Any:
    """Nothing for an empty value, which has no place for brackets."""
    return value.value if value.style or value.value not in ("", "~", "null", "Null", "NULL") else None


def _move(text: str, site: yaml.Node, holder: tuple[yaml.ScalarNode, yaml.Node], name: str, new: str) -> Iterator[Work]:
    section, inside = holder
    entries = _entries(inside)
    for position, (key, value) in enumerate(entries):
        if key.value != name:
            continue
        change = Change(_line(key), f"{section.value}.{name}", new)
        block = isinstance(inside, yaml.MappingNode) and not inside.flow_style
        if block:
            removed, moved = cut_from_block(text, key, value, section.start_mark.column, new)
        else:
            following = entries[position + 1][0] if entries[position + 1 :] else None
            removed, moved = cut_from_flow(text, (key, value), following)
        end = content_end(text, inside)
        if isinstance(site, yaml.MappingNode) and site.flow_style:
            yield Edit(end, end, f", {new}: {moved}"), change
        else:
            place = max(lines_end(text, end, section.start_mark.column), removed.end)
            newline = "\r\n" if "\r\n" in text else "\n"
            lines = (moved if block else f"{' ' * section.start_mark.column}{new}: {moved}").rstrip()
            before = removed.start if removed.end == place else place
            yield (
                Edit(place, place, f"{lines}{newline}" if text[:before].endswith("\n") else f"{newline}{lines}"),
                change,
            )
        yield removed, None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _applied(text: str, edits: list[Edit]) -> str:
    parts, at = [], 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:]])


def _meaning(text: str, file: str) -> Any:
    """What a text means; nothing when it is no longer YAML."""
    try:
        return parse(text, file).data
    except ProblemsError:
        return None
