"""Gridmill's rules as CrossGuard policies: asked once, when the site is registered, before anything of it is made."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)

from gridmill.core.errors import Problem, ProblemsError
from gridmill.kernel.context import Case
from gridmill.kernel.definition import Definition
from gridmill.kernel.feature import Policy as Rule
from gridmill.load import examine_definition
from gridmill.operations.stack_facts import policy_case
from gridmill.registry import features
from gridmill.registry import policies as rules

NAME = "gridmill"
SITE = "gridmill:index:Site"
"""The resource whose registration is judged: the parent of everything else, so nothing is made before."""

_LEVELS = {"mandatory": EnforcementLevel.MANDATORY, "advisory": EnforcementLevel.ADVISORY}


def policies(root: Path) -> list[Policy]:
    """The pack for the checkout at `root`."""
    return [_readable(root), *(_policy(root, rule) for rule in rules(features(root)))]


def stack_of(urn: str) -> str:
    """Name of the stack in a URN, `urn:pulumi:<stack>::<project>::...`."""
    return urn.removeprefix("urn:pulumi:").split("::", 1)[0]


@cache
def _definition(root: Path, stack: str) -> Definition:
    return examine_definition(root / f"Pulumi.{stack}.yaml")[0]


@cache
def _case(root: Path, stack: str) -> Case:
    return policy_case(_definition(root, stack), root)


def _readable(root: Path) -> Policy:
    """What could not be read could not be judged, and must not pass for that."""

    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if args.resource_type == SITE:
            try:
                _definition(root, stack_of(args.urn))
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
        stack = stack_of(args.urn)
        try:
            definition = _definition(root, stack)
        except ProblemsError:
            args.not_applicable("the definition cannot be read")
        problems = rule.ask(_case(root, stack), args.get_config())
        _report((definition.placed(problem) for problem in problems), report)

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
