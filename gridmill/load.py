"""Reads a stack definition: from file to typed Site, with every problem at once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridmill.catalog import load_catalog
from gridmill.core.errors import Path as ProblemPath
from gridmill.core.errors import Problem, ProblemsError, printable
from gridmill.core.schema_version import SITE_KEY, secret_name_problems, version_problem, with_new_name
from gridmill.core.secrets import secret_problems
from gridmill.core.sections.like import resolve_likes
from gridmill.core.sections.machines import LARGEST_LIST, ListedMachine, parse_machine_list
from gridmill.core.sections.partial import has, read_site
from gridmill.core.yaml_lines import MAXIMUM_CHARACTERS, parse
from gridmill.features.hosts.machines import identities
from gridmill.include import join
from gridmill.kernel.context import Context
from gridmill.kernel.definition import Definition, written
from gridmill.problems import check
from gridmill.registry import features
from gridmill.site import site_model

LARGEST_KEY = 65536
"""Characters of a key file; vendors' keys have 2 to 5 thousand."""

LARGEST_CONFIGURATION = 120_000
"""Bytes of the site as Pulumi hands it to the program, as JSON in JSON. Linux takes 128 KiB in one environment variable
(MAX_ARG_STRLEN, execve(2)), in which the stack's other configuration stands too."""


_DATE_OF_GO = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) 00:00:00 \+0000 UTC")


def load_definition(path: Path, *, to_look: bool = False) -> Definition:
    """Read, type and check `Pulumi.<site>.yaml`.

    Raises ProblemsError with every problem: unreadable file, YAML, unknown keys, types, rules. `to_look` at a plan,
    those that can be mended later are no obstacle; the definition holds them, and its warnings.
    """
    definition, problems = examine_definition(path)
    if any(not (to_look and problem.later) for problem in problems):
        raise ProblemsError(problems)
    return replace(definition, later=tuple(problems))


def check_name(path: Path, stack: str) -> None:
    """ProblemsError where the file of a stack holds another site, whatever else is wrong there; not where `stack` is a
    file itself."""
    if stack.endswith(".yaml"):
        return
    try:
        document = parse(path.read_text(encoding="utf-8"), path.name)
        name = document.data["config"][SITE_KEY]["name"]
    except (OSError, UnicodeDecodeError, ProblemsError, LookupError, TypeError):
        return
    if isinstance(name, str) and name != stack:
        problem = Problem(
            ("name",), f"{printable(name)} is not the site of {path.name}", stack, f"write `name: {stack}`"
        )
        place = {key[2:]: line for key, line in document.lines.items() if key[:2] == ("config", SITE_KEY)}
        raise ProblemsError([problem.located(path.name, place)])


def examine_definition(path: Path) -> tuple[Definition, list[Problem]]:
    """A typed definition, and what the rules have against it.

    Raises ProblemsError where there is nothing that rules could be asked about: unreadable file, YAML, types.
    """
    file = path.name
    try:
        with path.open(encoding="utf-8") as stream:
            text = stream.read(MAXIMUM_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problem = Problem((), f"cannot be read: {reason}", "a stack file", "name it Pulumi.<site>.yaml", file)
        raise ProblemsError([problem]) from error
    document = parse(text, file)
    config = document.data.get("config") if isinstance(document.data, dict) else None
    if not isinstance(config, dict) or SITE_KEY not in config:
        problem = Problem(("config", SITE_KEY), "missing", "the site under `config:`", file=file)
        raise ProblemsError([problem.located(file, document.lines)])
    size = len(json.dumps(json.dumps(config[SITE_KEY])))
    if size > LARGEST_CONFIGURATION:
        expected = f"at most {LARGEST_CONFIGURATION}: Pulumi hands it over in one environment variable"
        hint = "put what is large into files, `include: [people.yaml]`; write slots as ranges, r[1-12]/u[1,9,17,25]"
        problem = Problem(("config", SITE_KEY), f"{size} bytes as configuration are too many", expected, hint, file)
        raise ProblemsError([problem.located(file, document.lines)])
    prefix = ("config", SITE_KEY)
    lines = {key[2:]: line for key, line in document.lines.items() if key[:2] == prefix}
    around = [problem.located(file, document.lines) for problem in secret_name_problems(config, file)]
    return _examine(dates_as_written(config[SITE_KEY]), path.parent, file, lines, around)


def build_definition(data: Any, root: Path, file: str = "", lines: dict[ProblemPath, int] | None = None) -> Definition:
    """Type and check plain data; beside `root`/inventories/<site>/ stand a site's own SKUs, keys and machines."""
    definition, problems = _examine(data, root, file, lines or {})
    if problems:
        raise ProblemsError(problems)
    return definition


def _examine(
    data: Any, root: Path, file: str, lines: dict[ProblemPath, int], around: Sequence[Problem] = ()
) -> tuple[Definition, list[Problem]]:
    """`around`: what is wrong around the site, in the same file."""
    if older := version_problem(data, file):
        raise ProblemsError([older.located(file, lines)])
    own = data
    joined = join(own, root, file, lines)
    if joined.problems:  # of the rest of a definition nothing can be said while a part of it is not there
        raise ProblemsError([*around, *joined.problems])
    data, lines = joined.data, joined.lines
    secrets = list(secret_problems(data))
    whole, unlike = resolve_likes(data)
    try:
        known = features(root)
    except ProblemsError as error:
        raise ProblemsError([*secrets, *error.problems], "the features") from error
    site, untyped = read_site(whole, site_model(known))
    unfilled = {problem.path[:2] for problem in unlike}  # what such a pod lacks, the other one would have said
    untyped = [problem for problem in untyped if problem.message != "missing" or problem.path[:2] not in unfilled]
    named = {problem.path for problem in secrets}
    placed = (written(with_new_name(problem), data) for problem in [*unlike, *untyped])
    problems = [*secrets, *(problem for problem in placed if problem.path not in named)]
    problems = [*around, *(problem.located(file, lines) for problem in problems)]
    if site is None or not has(site, "name"):
        raise ProblemsError(problems)
    beside = root / "inventories" / site.name
    keys = load_keys(beside / "keys")
    try:
        catalog = load_catalog(beside / "skus")
    except ProblemsError as error:
        raise ProblemsError([*problems, *error.problems]) from error
    listed, unread = _listed_machines(beside / "machines.csv", root)
    context = Context(site, catalog, keys, listed)
    found = [*unread, *check(context, known)]
    found = [written(problem, data).located(file, lines) for problem in found]
    warnings = tuple(problem for problem in found if problem.warning)
    found = [problem for problem in found if not problem.warning]
    if problems:
        raise ProblemsError([*problems, *found])
    machines = identities(site, listed)
    definition = Definition(site, catalog, keys, file, lines, data, machines, (), warnings, context.power, known, own)
    return definition, found


def dates_as_written(data: Any) -> Any:
    """Plain data with dates as a person writes them: `2027-04-01` without quotes is a time to Pulumi, which hands it to
    the program, and writes it back into the stack file, as Go prints one. Keys may be dates, too."""
    if isinstance(data, dict):
        return {dates_as_written(key): dates_as_written(value) for key, value in data.items()}
    if isinstance(data, list):
        return [dates_as_written(value) for value in data]
    match = _DATE_OF_GO.fullmatch(data) if isinstance(data, str) else None
    return match[1] if match else data


def load_keys(directory: Path) -> dict[str, str]:
    """Key files by name; one that cannot be read counts as empty, which the rules refuse."""
    found: dict[str, str] = {}
    for path in sorted([*directory.glob("*.asc"), *directory.glob("*.pem")]):
        try:
            with path.open(encoding="utf-8") as stream:
                text = stream.read(LARGEST_KEY + 1)
        except (OSError, UnicodeDecodeError):
            text = ""
        found[path.name] = text if len(text) <= LARGEST_KEY else ""
    return found


def _listed_machines(path: Path, root: Path) -> tuple[list[ListedMachine], list[Problem]]:
    """The vendor's list of machines beside the stack, if there is one, and what is wrong with it."""
    if not path.exists():
        return [], []
    name = str(path.relative_to(root))
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return parse_machine_list(stream.read(LARGEST_LIST + 1), name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        return [], [Problem((), f"cannot be read: {reason}", "a list of machines", file=name)]
