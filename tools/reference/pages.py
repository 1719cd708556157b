"""All generated pages and JSON Schemas by file name."""

from __future__ import annotations

from pathlib import Path

from gridmill.catalog.json_schema import sku_schemas
from gridmill.schema import schema_text, site_schema
from tools.reference.catalogue import catalogue_page
from tools.reference.checks import checks_page
from tools.reference.cli import cli_page
from tools.reference.components import components_page
from tools.reference.roles import roles_page
from tools.reference.stack import stack_page


def pages(root: Path) -> dict[str, str]:
    """Every page of the checkout at `root`, and every schema."""
    return {
        "catalogue.md": catalogue_page(),
        "checks.md": checks_page(root),
        "cli.md": cli_page(root),
        "components.md": components_page(root),
        "roles.md": roles_page(root),
        "stack.md": stack_page(),
        "site.schema.json": schema_text(site_schema()),
        **{name: schema_text(schema) for name, schema in sku_schemas().items()},
    }
