"""docs/reference/components.md: Pulumi components with their arguments and outputs, read from the source.

The source is parsed, not imported, so that the page can be made without Pulumi's engine.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from gridmill.phases import PHASES
from tools.reference.markdown import code, page, table

INTRODUCTION = """\
`Site` is what programs use, see [compose sites](../guides/compose-sites.md). The others are the resources that it
shows, and what they carry. They hold no decisions: the plan fills them. What converges machines is one
`command:local:Command` per phase below them, see [the chain](../concepts/chain.md)."""

PUBLIC = "Site"
"""What programs use."""
_BASES = {"ComponentResource", "pulumi.ComponentResource"}


def components_page(root: Path) -> str:
    """The page; `root` is the checkout."""
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in sorted((root / "components").glob("*.py"))]
    classes = {node.name: node for module in modules for node in module.body if isinstance(node, ast.ClassDef)}
    components = {name: node for name, node in classes.items() if _is_component(node, classes)}
    rows = [(code(f"gridmill:index:{phase.component}"), phase.summary) for phase in PHASES if not phase.per_pod]
    sections = [_component(classes[PUBLIC], classes)]
    sections += [_type(node) for name, node in classes.items() if name in _named_in(classes[PUBLIC])]
    sections += ["\n\n".join(["## Phases", "Each is a `SitePhase`.", table(("type", "what"), rows)])]
    others = sorted(set(components) - {"SitePhase", PUBLIC})
    sections += [_component(classes[name], classes) for name in others]
    return page("Components", INTRODUCTION, sections)


def _is_component(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return any(base in _BASES or (base in classes and _is_component(classes[base], classes)) for base in bases)


def _named_in(node: ast.ClassDef) -> set[str]:
    """Names in the types of a component's outputs."""
    fields = [field.annotation for field in node.body if isinstance(field, ast.AnnAssign)]
    return {child.id for field in fields for child in ast.walk(field) if isinstance(child, ast.Name)}


def _type(node: ast.ClassDef) -> str:
    """A mapping with keys of its own, as outputs hold them."""
    parts = [f"### {node.name}", ast.get_docstring(node) or "", table(("key", "type", "what"), _fields(node))]
    return "\n\n".join(parts)


def _component(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> str:
    bases = [classes[ast.unparse(base)] for base in node.bases if ast.unparse(base) in classes]
    token = next((token for one in (node, *bases) for token in _tokens(one)), "")
    arguments = classes.get(f"{node.name}Args") or _inherited(node, classes)
    parts = [f"## {node.name}", f"{code(token)}: {ast.get_docstring(node) or ''}"]
    if arguments:
        parts.append(table(("argument", "type", "what"), _fields(arguments)))
    if outputs := list(_fields(node)):
        parts.append(table(("output", "type", "what"), outputs))
    return "\n\n".join(parts)


def _inherited(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> ast.ClassDef | None:
    """Arguments of the component that this one is a kind of."""
    for base in node.bases:
        parent = classes.get(ast.unparse(base))
        if parent:
            return classes.get(f"{parent.name}Args") or _inherited(parent, classes)
    return None


def _tokens(node: ast.ClassDef) -> Iterator[str]:
    """Type tokens in the class, its own first: the one that it passes on, then its default."""
    texts = [
        child.value for child in ast.walk(node) if isinstance(child, ast.Constant) and isinstance(child.value, str)
    ]
    yield from (text for text in texts if text.startswith("gridmill:index:"))


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Annotated fields with the docstrings below them."""
    for field, after in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        described = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            described = str(after.value.value)
        yield code(field.target.id), code(_plain(field.annotation)), described


def _plain(annotation: ast.expr) -> str:
    """The annotation without what only says that it may come later or be left out."""
    if isinstance(annotation, ast.Subscript):
        name = ast.unparse(annotation.value)
        if name in {"pulumi.Input", "pulumi.Output"}:
            return _plain(annotation.slice)
        if name == "NotRequired":
            return f"{_plain(annotation.slice)}, optional"
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        return f"{name}[{', '.join(_plain(one) for one in inner)}]"
    return ast.unparse(annotation)
