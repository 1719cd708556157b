"""docs/reference/stack.md: every key of the stack definition, from the model's own schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from gridmill.schema import site_schema
from tools.reference.markdown import anchor, code, page, table

INTRODUCTION = """\
Every key of the object under `gridmill:site` in `Pulumi.<site>.yaml`. Unknown keys are errors. Quantities carry their
unit. Editors complete and check the same by [site.schema.json](site.schema.json). Secrets have no key here: they stand
beside the object, by `pulumi config set --secret`."""

Schema = dict[str, Any]


def stack_page() -> str:
    """The page."""
    schema = site_schema()
    definitions: dict[str, Schema] = schema["$defs"]
    site: Schema = schema["properties"]["config"]["properties"]["gridmill:site"]
    parts = list(_parts(site, definitions))
    links = {name: f"[mapping](#{anchor(path)})" for path, name, _ in parts}
    for _, _, part in parts:
        _described(part, definitions)
    return page("Stack definition", INTRODUCTION, [_section(path, part, links) for path, _, part in parts])


def _described(part: Schema, definitions: dict[str, Schema]) -> None:
    """A key that says the same as its model has no words of its own in the schema."""
    for value in part.get("properties", {}).values():
        if "$ref" in value and "description" not in value:
            value["description"] = definitions[value["$ref"].rsplit("/", 1)[1]].get("description", "")


def _parts(site: Schema, definitions: dict[str, Schema]) -> Iterator[tuple[str, str, Schema]]:
    """Every mapping of the definition with path and model, each model once, in the order of the model."""
    waiting: list[tuple[str, str, Schema]] = [("Site", "Site", site)]
    seen: set[str] = set()
    while waiting:
        path, model, part = waiting.pop(0)
        yield path, model, part
        below = []
        for key, value in part.get("properties", {}).items():
            for name, suffix in _references(value):
                if name not in seen:
                    seen.add(name)
                    prefix = "" if path == "Site" else f"{path}."
                    below.append((f"{prefix}{key}{suffix}", name, definitions[name]))
        waiting = below + waiting


def _references(value: Schema, suffix: str = "") -> Iterator[tuple[str, str]]:
    """Models that a value refers to, with what its path has behind the key."""
    if "$ref" in value:
        yield value["$ref"].rsplit("/", 1)[1], suffix
    for arm in value.get("anyOf", ()):
        yield from _references(arm, suffix)
    if "items" in value:
        yield from _references(value["items"], f"{suffix}[]")
    for inner in _values(value):
        yield from _references(inner, f"{suffix}.<name>")


def _values(value: Schema) -> list[Schema]:
    """Schemas of a mapping's values."""
    found = list(value.get("patternProperties", {}).values())
    return [*found, value["additionalProperties"]] if isinstance(value.get("additionalProperties"), dict) else found


def _section(path: str, part: Schema, links: dict[str, str]) -> str:
    required = set(part.get("required", ()))
    rows = [
        (
            code(key),
            _type(value, links),
            "**required**" if key in required else _default(value),
            value.get("description", ""),
        )
        for key, value in part.get("properties", {}).items()
    ]
    title = path if path == "Site" else code(path)
    described = " ".join(part.get("description", "").split())
    return "\n\n".join([f"## {title}", described, table(("key", "value", "default", "what"), rows)])


def _default(value: Schema) -> str:
    default = value.get("default")
    if default is None:
        return ""
    return code(default if isinstance(default, str) else json.dumps(default))


def _type(value: Schema, links: dict[str, str]) -> str:
    """What may stand there, in words."""
    if "$ref" in value:
        return links[value["$ref"].rsplit("/", 1)[1]]
    choices = [_type(arm, links) for arm in value.get("anyOf", ()) if arm.get("type") != "null"]
    choices += [code(item) for item in [*value.get("enum", ()), *([value["const"]] if "const" in value else [])]]
    if choices:
        return " or ".join(dict.fromkeys(choices))
    kind = value.get("type", "value")
    if kind == "array":
        return f"list of {_type(value['items'], links)}" if value.get("items") else "list"
    if kind == "object":
        inner = " or ".join(dict.fromkeys(_type(one, links) for one in _values(value))) or "value"
        return f"mapping of names to {inner}"
    words = {"integer": _range(value, "whole number"), "number": _range(value, "number"), "string": _text(value)}
    return words.get(kind, "`true` or `false`" if kind == "boolean" else kind)


def _range(value: Schema, noun: str) -> str:
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None and high is not None:
        return f"{noun}, {low:g} to {high:g}"
    return f"{noun}, {low:g} or more" if low is not None else noun


def _text(value: Schema) -> str:
    if examples := value.get("examples"):
        return "such as " + " or ".join(code(example) for example in examples)
    longest = f", up to {value['maxLength']} characters" if "maxLength" in value else ""
    return f"text{longest}"
