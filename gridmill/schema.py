"""The JSON Schema of `Pulumi.<site>.yaml`, so that editors complete and check it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gridmill.kernel.feature import Feature
from gridmill.site import site_model


def site_schema(known: Sequence[Feature] | None = None) -> dict[str, Any]:
    """Schema (draft 2020-12) of the object under `gridmill:site`, wrapped so that it fits a whole stack file; for these
    features, by default Gridmill's own."""
    site = site_model(known).model_json_schema(by_alias=True, mode="validation")
    definitions = site.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gridmill stack definition",
        "type": "object",
        "properties": {"config": {"type": "object", "properties": {"gridmill:site": site}}},
        "$defs": definitions,
    }


def schema_text(schema: dict[str, Any]) -> str:
    """A schema as it is written into a file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
