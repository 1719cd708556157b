"""Problems of a definition: every one at once, each with its place, what was expected and what would fix it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

Path = tuple[str | int, ...]


class Place(int):
    """A line of a file other than the stack's own, where a part of the definition stands."""

    file: str

    def __new__(cls, line: int, file: str) -> Place:
        """The number of the line, which knows its file."""
        place = super().__new__(cls, line)
        place.file = file
        return place

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]
        """For copies."""
        return int(self), self.file


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a definition.

    `path` is the place inside the site object (keys and list positions), `line` the line in `file` when known.
    """

    path: Path
    message: str
    expected: str = ""
    hint: str = ""
    file: str = ""
    line: int | None = None
    later: bool = False
    """A plan can be made without it, machines can't be brought up: a file that has yet to be put beside the stack."""
    warning: bool = False
    """Nothing is refused for it: allowed, and rarely what was meant."""

    def located(self, file: str, lines: dict[Path, int]) -> Problem:
        """The same problem with file and line; the nearest parent's line stands in for a missing key.

        One that names its own file (a list beside the stack) stays as it is.
        """
        if self.file:
            return self
        path = self.path
        while path and path not in lines:
            path = path[:-1]
        line = lines.get(path)
        if isinstance(line, Place):
            return replace(self, file=line.file, line=int(line))
        return replace(self, file=file, line=line)

    def as_dict(self) -> dict[str, object]:
        """For `--json`: path as text, and only what is known."""
        return {
            "path": path_text(self.path),
            "message": self.message,
            **({"expected": self.expected} if self.expected else {}),
            **({"hint": self.hint} if self.hint else {}),
            **({"file": self.file} if self.file else {}),
            **({"line": self.line} if self.line is not None else {}),
        }

    def __str__(self) -> str:
        """`FILE:LINE: PATH: MESSAGE`, then what was expected and a hint, each on a line of its own."""
        place = ":".join(str(part) for part in (self.file, self.line) if part not in ("", None))
        head = ": ".join(part for part in (place, path_text(self.path), self.message) if part)
        notes = [f"    expected: {self.expected}"] if self.expected else []
        notes += [f"    fix: {self.hint}"] if self.hint else []
        return "\n".join([head, *notes])


class GridmillError(Exception):
    """Base of every error that Gridmill raises on purpose.

    GridmillError
    ├── ProblemsError   the definition is wrong; carries every Problem
    └── OperationError  (operations.errors) something outside refused or failed
    """

    status = 1
    """Exit status of a command that it ends."""


class ProblemsError(GridmillError):
    """The definition has problems; all of them are in `problems`, in the order of the file."""

    def __init__(self, problems: Iterable[Problem], of: str = "the stack definition") -> None:
        """Sort by line, then path, and drop exact repeats; `of` is what has them, for people."""
        unique = dict.fromkeys(problems)
        self.problems = tuple(sorted(unique, key=lambda p: (p.line is None, p.line or 0, path_text(p.path), p.message)))
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} in {of}"
        super().__init__("\n".join([head, *(str(problem) for problem in self.problems)]))


def path_text(path: Path) -> str:
    """`("pods", "pod-a", "at", 0)` as `pods.pod-a.at[0]`; characters that could confuse a terminal are escaped."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = printable(part)
            text += f".{shown}" if text else shown
    return text


def printable(value: object, limit: int = 60) -> str:
    """A value from a definition, safe to show: control characters escaped, long text cut."""
    text = "(a private key)" if "PRIVATE KEY" in str(value) else str(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "…"
