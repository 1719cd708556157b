"""docs/reference/roles.md: every role with its variables, from the argument specifications."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from gridmill.operations.places import TOOLKIT
from gridmill.operations.playbooks import ROLES
from tools.reference.markdown import code, page, table

INTRODUCTION = """\
One outcome per role. The variables are what the plan fills; nobody sets them by hand. Every role's README says what it
never does. Phases run them in the order in which features place them (`gridmill document`)."""


def roles_page(root: Path) -> str:
    """The page; `root` is the checkout."""
    directory = root / ROLES.relative_to(TOOLKIT)
    return page("Roles", INTRODUCTION, [_role(path) for path in sorted(directory.iterdir()) if path.is_dir()])


def _role(path: Path) -> str:
    text = (path / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    main: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]
    rows = [row for name, option in main.get("options", {}).items() for row in _rows(name, option)]
    description = main.get("description", [])
    lines = [description] if isinstance(description, str) else description
    parts = [
        f"## {path.name}",
        f"{main['short_description']}. [README](../../{ROLES.relative_to(TOOLKIT)}/{path.name}/README.md)",
        _plain("\n".join(lines)),
    ]
    return "\n\n".join([*parts, *([table(("variable", "type", "default", "what"), rows)] if rows else [])])


def _plain(text: str) -> str:
    """Ansible's marks for code and modules as code."""
    return re.sub(r"[CMO]\(([^)]*)\)", r"`\1`", text)


def _rows(name: str, option: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    kind = option["type"] + (f" of {option['elements']}" if "elements" in option else "")
    if option.get("required"):
        default = "**required**"
    else:
        default = code(yaml.safe_dump(option.get("default"), default_flow_style=True, width=1000).split("\n")[0])
    description = option["description"]
    text = description if isinstance(description, str) else " ".join(description)
    if option.get("no_log"):
        text = f"Secret. {text}" if not text.startswith("Secret") else text
    text = _plain(text)
    own = [(code(name), kind, default, text)]
    return own + [row for key, inner in option.get("options", {}).items() for row in _rows(f"{name}[].{key}", inner)]
