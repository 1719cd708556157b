"""Imports are found wherever they may stand: what is missed would be missing on a host, or in a digest."""

from __future__ import annotations

import ast

from gridmill.operations.bundle.ansible_internals import PACKAGE
from gridmill.operations.playbooks import SITE
from gridmill.operations.python_imports import imports_of

EVERYWHERE = """
import a1
if x:
    import a2
elif y:
    import a3
else:
    import a4
try:
    import a5
except E:
    import a6
else:
    import a7
finally:
    import a8
for x in y:
    import a9
else:
    import b1
while x:
    import b2
with x:
    from b3 import y
def f(x=lambda: 1):
    import b4
class C:
    async def g(self):
        async with x:
            import b5
        async for z in x:
            import b6
match x:
    case 1:
        import b7
try:
    pass
except* E:
    import b8
"""


def names(source: str) -> set[str]:
    found = list(imports_of(source))
    return {alias.name for node in found if isinstance(node, ast.Import) for alias in node.names} | {
        str(node.module) for node in found if isinstance(node, ast.ImportFrom)
    }


def test_wherever_they_stand() -> None:
    assert names(EVERYWHERE) == {*(f"a{number}" for number in range(1, 10)), *(f"b{number}" for number in range(1, 9))}


def test_as_many_as_the_whole_tree_has() -> None:
    for path in [*SITE.glob("plugins/**/*.py"), *(PACKAGE / "module_utils").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        whole = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert len(list(imports_of(text))) == len(whole), path
