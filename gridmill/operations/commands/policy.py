"""`gridmill policy`: the rules of the policy pack, asked without Pulumi's engine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gridmill.core.errors import Problem
from gridmill.kernel.feature import Policy
from gridmill.load import examine_definition
from gridmill.operations.errors import OperationError
from gridmill.operations.stack_facts import policy_case
from gridmill.registry import policies

LEVELS = ("mandatory", "advisory", "disabled")
LEVEL_KEY = "enforcementLevel"

Asked = tuple[str, str, list[Problem]]
"""A policy's name, its level, and what violates it."""


def add_policy_arguments(command: argparse.ArgumentParser) -> None:
    """What can be set."""
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="levels and options, as for Pulumi's --policy-pack-config"
    )


def violations(stack: Path, root: Path, config: Path | None) -> list[Asked]:
    """Every rule's answer about a stack file, which may have other problems; disabled rules are not asked. `root` is
    the project.

    ProblemsError where the definition cannot be read, OperationError where the configuration cannot.
    """
    definition, _ = examine_definition(stack)
    case = policy_case(definition, root)
    settings = read_config(config, policies(definition.features)) if config else {}
    asked = []
    for policy in policies(definition.features):
        level, options = _settings(settings, policy.name, policy.level)
        if level != "disabled":
            found = [definition.placed(problem) for problem in policy.ask(case, options)]
            asked.append((policy.name, level, found))
    return asked


def read_config(path: Path, rules: Iterable[Policy]) -> Mapping[str, Any]:
    """A file of policy names with a level, or with a mapping of options; `all` sets the level of every rule."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise OperationError(f"{path}: not JSON: {error}") from error
    known = {policy.name: policy.options for policy in rules} | {"all": {}, "definition-readable": {}}
    if not isinstance(data, dict) or set(data) - set(known):
        raise OperationError(f"{path}: names of policies are {', '.join(known)}")
    for name, value in data.items():
        settings = value if isinstance(value, dict) else {LEVEL_KEY: value}
        if settings.get(LEVEL_KEY, "mandatory") not in LEVELS:
            raise OperationError(f"{path}: the level of {name} is one of {', '.join(LEVELS)}")
        for option, given in settings.items():
            if option != LEVEL_KEY and not (option in known[name] and _fits(given, known[name][option])):
                raise OperationError(f"{path}: {name} has no option {option}, or not with the value {given!r}")
    return data


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is one of the option's: a list of texts, or a number in its range."""
    if schema["type"] == "array":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and bool(schema["minimum"] <= value <= schema["maximum"])


def _settings(config: Mapping[str, Any], name: str, level: str) -> tuple[str, dict[str, Any]]:
    found = config.get(name, config.get("all", level))
    settings = dict(found) if isinstance(found, dict) else {LEVEL_KEY: found}
    return settings.pop(LEVEL_KEY, level), settings


def policy_data(asked: list[Asked]) -> dict[str, Any]:
    """For `--json`."""
    return {
        "ok": not any(level == "mandatory" and problems for _, level, problems in asked),
        "policies": {
            name: {"level": level, "problems": [problem.as_dict() for problem in problems]}
            for name, level, problems in asked
        },
    }


def policy_table(asked: list[Asked]) -> str:
    """For people: a line a rule, and below it what violates it."""
    lines = []
    for name, level, problems in asked:
        lines.append(f"{name}: {level if problems else 'ok'}")
        lines += [f"  {line}" for problem in problems for line in str(problem).splitlines()]
    return "\n".join(lines)
