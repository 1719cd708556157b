"""Expressions over registered results, as trees of plain lists that the host evaluates (bundle/deferred.py there).

Only what roles say about results is known: names, attributes, `and`, `or`, `not`, comparisons, a few tests and filters.
Everything else that a tree holds is a constant by the time it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, nodes

from gridmill.operations.bundle.errors import NotCompilableError

Tree = list[Any]
TESTS = frozenset({"changed", "defined", "failed", "match", "skipped", "succeeded"})
FILTERS = frozenset({"bool", "default", "length", "list", "select"})
COMPARISONS = frozenset({"eq", "ne", "lt", "lteq", "gt", "gteq", "in", "notin"})
_ENVIRONMENT = Environment(autoescape=False)  # noqa: S701 - only parses


@cache
def parsed(text: str) -> nodes.Template:
    """A template's text as Jinja's tree. Filters of Ansible's need not be known for that."""
    return _ENVIRONMENT.parse(text)


@cache
def names_in(text: str) -> frozenset[str]:
    """Names of variables that a template refers to."""
    return frozenset(node.name for node in parsed(text).find_all(nodes.Name))


def tree_of(text: str, name: Callable[[str], Tree]) -> Tree:
    """The tree of a template that is one expression, `{{ ... }}`. `name` makes a tree of a variable's name."""
    body = parsed(text.strip()).body
    match body:
        case [nodes.Output(nodes=[expression])]:
            return _tree(expression, name)
    raise NotCompilableError(f"{text!r} depends on a result, and is not one expression")


def _tree(node: nodes.Node, name: Callable[[str], Tree]) -> Tree:  # noqa: PLR0911 - one case a kind
    def inner(other: nodes.Node) -> Tree:
        return _tree(other, name)

    match node:
        case nodes.Const(value=value):
            return ["constant", value]
        case nodes.Name(name=text):
            return name(text)
        case nodes.And(left=left, right=right):
            return ["and", inner(left), inner(right)]
        case nodes.Or(left=left, right=right):
            return ["or", inner(left), inner(right)]
        case nodes.Not(node=other):
            return ["not", inner(other)]
        case nodes.Getattr(node=other, attr=attribute):
            return ["attribute", inner(other), ["constant", attribute]]
        case nodes.Getitem(node=other, arg=argument):
            return ["attribute", inner(other), inner(argument)]
        case nodes.Compare(expr=left, ops=[nodes.Operand(op=kind, expr=right)]) if kind in COMPARISONS:
            return ["compare", kind, inner(left), inner(right)]
        case nodes.Test(node=other, name=kind, args=arguments, kwargs=[]) if kind.rpartition(".")[2] in TESTS:
            return ["test", kind.rpartition(".")[2], inner(other), *map(inner, arguments or [])]
        case nodes.Filter(node=nodes.Expr() as other, name=kind, args=arguments, kwargs=[]) if kind in FILTERS:
            return ["filter", kind, inner(other), *map(inner, arguments or [])]
    raise NotCompilableError(f"{type(node).__name__} over a result is nothing that a host evaluates")
