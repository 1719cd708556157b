"""Reads the catalogue: the built-in one once, and a site's own SKUs beside it. Its only I/O is reading YAML."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from gridmill.catalog.consistency import entry_problems, node_problems
from gridmill.catalog.meter_schema import MeterSku
from gridmill.catalog.schema import Compatibility, CoolingUnit, Equipment, Gpu, Node, Pdu, SoftwareSet, UpsModule
from gridmill.core.diagnose import problems_of
from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.yaml_lines import parse

BUILT_IN = Path(__file__).parent
_Entry = TypeVar("_Entry", Gpu, Node, Equipment, CoolingUnit, Pdu, UpsModule, SoftwareSet, Compatibility, MeterSku)


@dataclass(frozen=True)
class Catalog:
    """SKUs by identifier."""

    gpus: dict[str, Gpu] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    software: dict[str, SoftwareSet] = field(default_factory=dict)
    compatibility: dict[str, Compatibility] = field(default_factory=dict)
    pdus: dict[str, Pdu] = field(default_factory=dict)
    switches: dict[str, Equipment] = field(default_factory=dict)
    shelves: dict[str, Equipment] = field(default_factory=dict)
    cooling: dict[str, CoolingUnit] = field(default_factory=dict)
    ups: dict[str, UpsModule] = field(default_factory=dict)
    meters: dict[str, MeterSku] = field(default_factory=dict)
    own_gpus: frozenset[str] = frozenset()
    """GPUs that the site's own files describe."""
    own: str = ""
    """Folder in which a site's own files were looked for, for people; empty for the built-in catalogue alone."""
    own_found: bool = False
    """Whether that folder exists."""

    @property
    def equipment(self) -> dict[str, Equipment]:
        """What can stand in a rack beside machines."""
        return {**self.switches, **self.shelves, **self.cooling}

    def joined(self, own: Catalog) -> Catalog:
        """This catalogue with a site's own entries, which win."""
        return Catalog(
            self.gpus | own.gpus,
            self.nodes | own.nodes,
            self.software | own.software,
            self.compatibility | own.compatibility,
            self.pdus | own.pdus,
            self.switches | own.switches,
            self.shelves | own.shelves,
            self.cooling | own.cooling,
            self.ups | own.ups,
            self.meters | own.meters,
            frozenset(own.gpus),
        )

    def offered(self, os: str, source: str) -> SoftwareSet | None:
        """What a source offers on an operating system; a mirror holds what NVIDIA's does, unless an entry says so."""
        found = self.software.get(f"{os}-{source}")
        return self.software.get(f"{os}-nvidia") if found is None and source == "mirror" else found


def load_catalog(own: Path | None = None) -> Catalog:
    """The built-in catalogue, joined with the SKU files in the directory `own` if it exists.

    Raises ProblemsError with every problem of every file.
    """
    catalog = _built_in()
    if own is not None:
        found = own.is_dir()
        catalog = catalog.joined(_load(own)) if found else catalog
        catalog = replace(catalog, own="/".join(own.parts[-3:]), own_found=found)
    problems = [problem for node in catalog.nodes.values() for problem in node_problems(node, catalog.gpus)]
    if problems:
        raise ProblemsError(problems)
    return catalog


@functools.cache
def _built_in() -> Catalog:
    return _load(BUILT_IN)


def _load(directory: Path) -> Catalog:
    problems: list[Problem] = []
    catalog = Catalog(
        _entries(directory / "gpus", Gpu, problems),
        _entries(directory / "nodes", Node, problems),
        _entries(directory / "software", SoftwareSet, problems),
        _entries(directory / "compatibility", Compatibility, problems),
        _entries(directory / "pdus", Pdu, problems),
        _entries(directory / "switches", Equipment, problems),
        _entries(directory / "shelves", Equipment, problems),
        _entries(directory / "cooling", CoolingUnit, problems),
        _entries(directory / "ups", UpsModule, problems),
        _entries(directory / "meters", MeterSku, problems),
    )
    if problems:
        raise ProblemsError(problems)
    return catalog


def _entries(directory: Path, model: type[_Entry], problems: list[Problem]) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for path in sorted(directory.glob("*.yaml")):
        problem_count = len(problems)
        entry = _entry(path, model, problems)
        if entry is not None and entry.id != path.stem:
            problems.append(Problem(("id",), f"`{entry.id}` is not the file's name", path.stem, file=str(path)))
        if entry is not None and len(problems) == problem_count:
            found[entry.id] = entry
    return found


def _entry(path: Path, model: type[_Entry], problems: list[Problem]) -> _Entry | None:
    try:
        document = parse(path.read_text(encoding="utf-8"), str(path))
        entry = model.model_validate(document.data)
    except ProblemsError as error:
        problems.extend(error.problems)
    except ValidationError as error:
        problems.extend(_located(problems_of(error, model), str(path), document.lines))
    else:
        problems.extend(_located(entry_problems(entry), str(path), document.lines))
        return entry
    return None


def _located(problems: Iterable[Problem], file: str, lines: dict[tuple[str | int, ...], int]) -> list[Problem]:
    return [problem.located(file, lines) for problem in problems]


__all__ = ["BUILT_IN", "Catalog", "load_catalog"]
