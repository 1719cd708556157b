"""Imports of a Python source, wherever in it they stand; only statements are looked at, which is most of the speed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
"""Fields of statements that hold statements, or what holds them."""


def imports_of(source: str) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import statement, in no order that matters."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        for field in _BODIES:
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                waiting += inner
