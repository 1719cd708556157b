"""All generated pages by file name."""

from __future__ import annotations

from pathlib import Path

from tools.reference.catalogue import catalogue_page
from tools.reference.checks import checks_page
from tools.reference.cli import cli_page
from tools.reference.components import components_page
from tools.reference.roles import roles_page
from tools.reference.stack import stack_page


def pages(root: Path) -> dict[str, str]:
    """Every page of the checkout at `root`."""
    return {
        "catalogue.md": catalogue_page(),
        "checks.md": checks_page(root),
        "cli.md": cli_page(root),
        "components.md": components_page(root),
        "roles.md": roles_page(root),
        "stack.md": stack_page(),
    }
