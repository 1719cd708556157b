"""Parts of a definition that stand in files of their own, beside the stack: read, and joined before anything is typed.

Pulumi hands a stack file's configuration over in one environment variable, which holds no 10,000 people or machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gridmill.core.base import IN_WORDS, WORDS_WITH_HYPHENS
from gridmill.core.errors import Path as ProblemPath
from gridmill.core.errors import Place, Problem, ProblemsError, printable
from gridmill.core.sections.include import INCLUDE_PATH
from gridmill.core.yaml_lines import MAXIMUM_CHARACTERS, parse

LONGEST_NAME = 24
"""Characters of a site's name."""

MAXIMUM_FILES = 1000
MAXIMUM_TOTAL = 4 * MAXIMUM_CHARACTERS
"""Characters of all files together."""

STACK_ONLY = ("schemaVersion", "name", "include")
"""Keys that say where and how the rest is read."""

NOT_PARTS = frozenset({"keys", "skus"})
"""Folders beside the stack that hold something else."""


@dataclass
class Joined:
    """A site's data with its files, the line of every part, and what is wrong with them."""

    data: Any
    lines: dict[ProblemPath, int]
    problems: list[Problem] = field(default_factory=list)


def join(data: Any, root: Path, file: str, lines: dict[ProblemPath, int]) -> Joined:
    """The site's data with what it includes from `root`/inventories/<site>/; `data` itself stays as it is.

    What is joined stands for itself: it has no `include` any more. A list that is none, or a name that leads nowhere,
    is left to the types.
    """
    entries = data.get("include") if isinstance(data, dict) else None
    name = data.get("name") if isinstance(data, dict) else None
    named = isinstance(name, str) and len(name) <= LONGEST_NAME and re.fullmatch(WORDS_WITH_HYPHENS, name, re.ASCII)
    if not isinstance(entries, list) or not named:
        return Joined(data, lines)
    joined = Joined({key: value for key, value in data.items() if key != "include"}, dict(lines))
    files = _Files(root / "inventories" / str(name), root)
    for position, entry in enumerate(entries):
        found = files.of(entry, ("include", position))
        joined.problems += [one.located(file, lines) for one in found if isinstance(one, Problem)]
        for path in (one for one in found if isinstance(one, Path)):
            _add(joined, path, str(path.relative_to(root)), file)
    if files.total > MAXIMUM_TOTAL:
        message = f"{files.total} bytes in all files are too many"
        problem = Problem(("include",), message, f"at most {MAXIMUM_TOTAL}")
        return Joined(data, lines, [problem.located(file, lines)])
    return joined


@dataclass
class _Files:
    """Finds files beside the stack, each once."""

    beside: Path
    root: Path
    seen: dict[Path, str] = field(default_factory=dict)
    total: int = 0

    def of(self, entry: Any, at: ProblemPath) -> list[Path | Problem]:
        """The files of one entry, and what is wrong with it."""
        if not isinstance(entry, str) or not re.fullmatch(INCLUDE_PATH, entry, re.ASCII):
            return [Problem(at, f"`{printable(entry)}` is not valid", IN_WORDS[INCLUDE_PATH])]
        try:
            return list(self._entry(entry, at))
        except (OSError, RuntimeError) as error:  # the latter for links in a circle
            reason = error.strerror if isinstance(error, OSError) else "links in a circle"
            return [Problem(at, f"{entry} cannot be read: {reason}", "files with parts of the definition")]

    def _entry(self, entry: str, at: ProblemPath) -> Iterator[Path | Problem]:
        place = self.beside / entry
        shown = f"{place.relative_to(self.root)}{'/' if entry.endswith('/') else ''}"
        expected = "a folder with parts of the definition" if entry.endswith("/") else "a file with a part of it"
        if entry.partition("/")[0] in NOT_PARTS:
            yield Problem(at, f"{shown} holds something else", expected, "another name")
        elif not self._inside(place):
            yield Problem(at, f"{shown} leads out of {self.beside.relative_to(self.root)}", expected, "copy it there")
        elif not place.exists():
            yield Problem(at, f"{shown} does not exist", expected, "write it, or remove the line")
        elif place.is_dir() != entry.endswith("/"):
            hint = f"write {entry}/" if place.is_dir() else "no slash at its end"
            yield Problem(at, f"{shown} is {'a folder' if place.is_dir() else 'no folder'}", expected, hint)
        elif place.is_dir():
            yield from self._folder(place, shown, at)
        else:
            yield from self._file(place, at)

    def _folder(self, place: Path, shown: str, at: ProblemPath) -> Iterator[Path | Problem]:
        names = sorted(path for path in place.iterdir() if not path.name.startswith("."))
        for path in names:
            if path.suffix == ".yml":
                yield Problem(at, f"{shown}{path.name} is not read", "files that end with .yaml", "rename it")
        parts = [path for path in names if path.suffix == ".yaml"]
        if not parts:
            yield Problem(at, f"{shown} holds no file that ends with .yaml", "at least one", "remove the line")
        for path in parts:
            if self._inside(path):
                yield from self._file(path, at)
            else:
                yield Problem(at, f"{shown}{path.name} leads out of {self.beside.relative_to(self.root)}",
                              "a file of its own", "copy it there")  # fmt: skip

    def _file(self, path: Path, at: ProblemPath) -> Iterator[Path | Problem]:
        shown = str(path.relative_to(self.root))
        if not path.is_file():
            yield Problem(at, f"{shown} is no file", "a file that ends with .yaml", "remove it")
            return
        first = self.seen.setdefault(path.resolve(), shown)
        if first is not shown:
            yield Problem(at, f"{shown} is included already, as {first}", "each file once", "remove one")
            return
        if len(self.seen) > MAXIMUM_FILES:
            if len(self.seen) == MAXIMUM_FILES + 1:
                yield Problem(at, f"more than {MAXIMUM_FILES} files", f"at most {MAXIMUM_FILES}", "fewer, larger ones")
            return
        self.total += path.stat().st_size
        if self.total <= MAXIMUM_TOTAL:
            yield path

    def _inside(self, path: Path) -> bool:
        return path.resolve().is_relative_to(self.beside.resolve())


def _add(joined: Joined, path: Path, shown: str, file: str) -> None:
    """Read one file and join it with what there is; its problems name it, and its lines."""
    try:
        with path.open(encoding="utf-8") as stream:
            document = parse(stream.read(MAXIMUM_CHARACTERS + 1), shown)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        joined.problems.append(Problem((), f"cannot be read: {reason}", "a part of the definition", file=shown))
        return
    except ProblemsError as error:
        joined.problems += error.problems
        return
    if not isinstance(document.data, dict) or not document.data:
        expected = "sections of the definition, as under `gridmill:site`, such as `access: {users: {...}}`"
        joined.problems.append(Problem((), "holds no part of a definition", expected, file=shown, line=1))
        return
    part = dict(document.data)
    for key in STACK_ONLY:
        if part.pop(key, None) is not None:
            hint = f"move it to {file}" if file else "move it there"
            problem = Problem((key,), f"{key} belongs into the stack file", "", hint)
            joined.problems.append(problem.located(shown, document.lines))
    lines: dict[ProblemPath, int] = {key: Place(line, shown) for key, line in document.lines.items() if key}
    joined.data = _merged(joined, part, joined.data, (), lines, file)
    for place, line in lines.items():
        joined.lines.setdefault(place, line)


def _merged(joined: Joined, part: Any, base: Any, path: ProblemPath, lines: dict[ProblemPath, int], file: str) -> Any:
    """`base` with `part` joined to it: mappings are joined, anything else stands in one of them only."""
    if isinstance(part, dict) and isinstance(base, dict):
        result = dict(base)
        for key, value in part.items():
            place = (*path, key)
            result[key] = _merged(joined, value, base[key], place, lines, file) if key in base else value
        return result
    first = joined.lines.get(path)
    where = first.file if isinstance(first, Place) else file
    known = f"{where}:{first}" if where and first is not None else where or "the stack"
    message = f"stands twice, here and in {known}"
    joined.problems.append(Problem(path, message, "each part in one place", "remove one").located("", lines))
    return base
