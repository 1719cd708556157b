"""Finds features: Gridmill's own, those of installed packages, and those in a folder beside the stack.

A package offers one by an entry point in the group `gridmill.features`; beside the stack, `features/<name>/feature.py`
is one. Each has an object FEATURE. They are told apart nowhere but here.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType

import gridmill.features
from gridmill.core.errors import Problem, ProblemsError
from gridmill.kernel.feature import Feature, Policy

GROUP = "gridmill.features"
"""Entry points of installed packages."""
FOLDER = "features"
"""Beside the stack."""


def features(root: Path | None = None) -> tuple[Feature, ...]:
    """All features, each after those that it needs; `root` is the directory of the stack.

    ProblemsError for one that cannot be loaded, a name that is taken, or needs that nothing meets.
    """
    return _features(root.resolve() if root else None)


@cache
def _features(root: Path | None) -> tuple[Feature, ...]:
    found = [*_own(), *_installed()]
    if root and root / FOLDER != Path(gridmill.features.__path__[0]):
        found += _beside(root / FOLDER)
    return in_order(found)


def in_order(found: Iterable[Feature]) -> tuple[Feature, ...]:
    """Features after those that they need; otherwise by name. ProblemsError for names and needs that do not fit."""
    by_name: dict[str, Feature] = {}
    problems: list[Problem] = []
    for feature in found:
        if feature.name in by_name:
            problems.append(_problem(feature, "there is one of this name already", "a name of its own"))
        by_name[feature.name] = feature
    for feature in by_name.values():
        for name in feature.needs:
            if name not in by_name:
                problems.append(_problem(feature, f"needs {name}, which does not exist", ", ".join(sorted(by_name))))
    if problems:
        raise ProblemsError(problems, "the features")
    sorter = TopologicalSorter({name: by_name[name].needs for name in sorted(by_name)})
    order: list[Feature] = []
    try:
        sorter.prepare()
    except CycleError as error:
        problem = Problem((), f"features need each other: {' -> '.join(error.args[1])}", "one of them needs none")
        raise ProblemsError([problem], "the features") from error
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order += (by_name[name] for name in ready)
        sorter.done(*ready)
    return tuple(order)


def _problem(feature: Feature, message: str, expected: str) -> Problem:
    return Problem((), f"feature {feature.name}: {message}", expected, file=str(feature.directory or ""))


def _own() -> Iterator[Feature]:
    for module in pkgutil.iter_modules(gridmill.features.__path__):
        if module.ispkg:
            yield _feature_of(importlib.import_module(f"{gridmill.features.__name__}.{module.name}.feature"), None)


def _installed() -> Iterator[Feature]:
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            module = importlib.import_module(point.module)
        except ImportError as error:
            raise _unloadable(f"{point.name} of {_package(point)}", error) from error
        yield _feature_of(module, Path(str(module.__file__)).parent)


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "a package"


def _beside(folder: Path) -> Iterator[Feature]:
    """Features in a folder; modules of one import each other relatively."""
    for path in sorted(folder.glob("*/feature.py")):
        place = path.parent
        package = f"gridmill_features_{hashlib.sha256(str(place).encode()).hexdigest()[:12]}"
        try:
            _package_at(package, place)
            module = importlib.import_module(f"{package}.feature")
        except (ImportError, SyntaxError, NameError, TypeError, ValueError, AttributeError) as error:
            raise _unloadable(str(path), error) from error
        yield _feature_of(module, place)


def _package_at(name: str, place: Path) -> None:
    """A package under a name of its own, so that folders of two stacks are never mixed up."""
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(place)]
        sys.modules[name] = package


def _feature_of(module: ModuleType, directory: Path | None) -> Feature:
    found = getattr(module, "FEATURE", None)
    if not isinstance(found, Feature):
        message = f"{module.__file__} has no FEATURE"
        raise ProblemsError([Problem((), message, "FEATURE = Feature(...)")], "the features")
    return replace(found, directory=directory) if directory else found


def _unloadable(what: str, error: Exception) -> ProblemsError:
    message = f"{what} cannot be loaded: {type(error).__name__}: {error}"
    return ProblemsError([Problem((), message, "a feature that Python can import")], "the features")


def policies(known: Iterable[Feature] | None = None) -> tuple[Policy, ...]:
    """The rules of an organisation, as the features declare them."""
    return tuple(policy for feature in (features() if known is None else known) for policy in feature.policies)
