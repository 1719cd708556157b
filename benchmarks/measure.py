"""Measuring a command as a whole process, and printing what came out for people or machines."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(ROOT / ".venv" / "bin" / "python")


@dataclass(frozen=True)
class Run:
    """One command that ended well."""

    seconds: float
    """From start to end."""
    cpu_seconds: float
    """User and system time of the command and the children that it waited for."""
    peak_mib: float
    """Largest resident set of a single process of it."""
    output: str


@dataclass(frozen=True)
class Row:
    """One figure; `target` is the most that it may be, or None where it is only told."""

    benchmark: str
    figure: str
    value: float
    unit: str
    target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool:
        """Whether the target was met here."""
        return self.target is None or self.value <= self.target

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "met": self.met}


def run(command: list[str], directory: Path = ROOT, environment: Mapping[str, str] | None = None) -> Run:
    """Run a command and wait for it. RuntimeError with the end of its output when it fails."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **(environment or {})}, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text = output.read()
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {(text + errors.read())[-3000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def best_run(command: list[str], runs: int = 5, directory: Path = ROOT) -> Run:
    """The shortest of some runs: what the command takes where others leave it the machine."""
    return min((run(command, directory) for _ in range(runs)), key=lambda one: one.seconds)


def table(rows: list[Row]) -> str:
    """Rows for people."""
    cells = [("BENCHMARK", "FIGURE", "VALUE", "TARGET", "", "NOTE")]
    for row in rows:
        target = "" if row.target is None else f"{row.target:g} {row.unit}"
        verdict = "" if row.target is None else ("met" if row.met else "MISSED")
        cells.append((row.benchmark, row.figure, f"{row.value:.3g} {row.unit}", target, verdict, row.note))
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells)
    return "\n".join(lines)
