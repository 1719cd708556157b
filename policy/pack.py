"""Gridmill's rules as CrossGuard policies: asked once, when the site is registered, before anything of it is made."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from gridmill.core.errors import Problem, ProblemsError
from gridmill.core.plain import plain_data
from gridmill.kernel.context import Case
from gridmill.kernel.definition import Definition
from gridmill.kernel.feature import Policy as Rule
from gridmill.load import build_definition, examine_definition
from gridmill.operations.stack_facts import policy_case
from gridmill.registry import features
from gridmill.registry import policies as rules

NAME = "gridmill"
SITE = "gridmill:index:Site"
"""The resource whose registration is checked: the parent of everything else, so nothing is made before."""

_LEVELS = {"mandatory": EnforcementLevel.MANDATORY, "advisory": EnforcementLevel.ADVISORY}


def serve(root: Path) -> None:
    """Serve the pack for the project at `root` until Pulumi's engine, which started this process, ends."""
    PolicyPack(name=NAME, policies=policies(root))


def policies(root: Path) -> list[Policy]:
    """The pack for the project at `root`."""
    return [_readable(root), *(_policy(root, rule) for rule in rules(features(root)))]


def stack_of(urn: str) -> str:
    """Name of the stack in a URN, `urn:pulumi:<stack>::<project>::...`."""
    return urn.removeprefix("urn:pulumi:").split("::", 1)[0]


@dataclass(frozen=True, eq=False)
class Asked:
    """A definition, and what rules are asked about it."""

    definition: Definition
    root: Path

    @cached_property
    def case(self) -> Case:
        """Planned once for all rules."""
        return policy_case(self.definition, self.root)


def _asked(root: Path, args: ResourceValidationArgs) -> Asked:
    """What a site was made from: its own definition, where a program composed it, or its stack's file. ProblemsError
    for what cannot be read."""
    given = args.props.get("definition")
    if given is None:
        return _in_file(root, stack_of(args.urn))
    return _composed(root, str(args.props.get("directory", ".")), json.dumps(plain_data(given)))


@cache
def _in_file(root: Path, stack: str) -> Asked:
    return Asked(examine_definition(root / f"Pulumi.{stack}.yaml")[0], root)


@cache
def _composed(root: Path, directory: str, text: str) -> Asked:
    return Asked(build_definition(json.loads(text), root / directory), root)


def _readable(root: Path) -> Policy:
    """A definition that cannot be read is a violation: the other rules are not asked then."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type == SITE:
            try:
                _asked(root, args)
            except ProblemsError as error:
                _report(error.problems, report)

    return ResourceValidationPolicy(
        name="definition-readable",
        description="The stack file holds a definition that rules can be asked about.",
        enforcement_level=EnforcementLevel.MANDATORY,
        validate=validate,
    )


def _policy(root: Path, rule: Rule) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type != SITE:
            return
        try:
            asked = _asked(root, args)
        except ProblemsError:
            args.not_applicable("the definition cannot be read")
        problems = rule.ask(asked.case, args.get_config())
        _report((asked.definition.placed(problem) for problem in problems), report)

    schema = PolicyConfigSchema({name: dict(option) for name, option in rule.options.items()}) if rule.options else None
    return ResourceValidationPolicy(
        name=rule.name,
        description=rule.description,
        enforcement_level=_LEVELS[rule.level],
        validate=validate,
        config_schema=schema,
    )


def _report(problems: Iterable[Problem], report: ReportViolation) -> None:
    for problem in problems:
        report(str(problem), None)
