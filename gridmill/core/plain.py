"""Data that went through Pulumi's engine, as a YAML file would give it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def plain_data(value: Any) -> Any:
    """Plain mappings and lists; whole numbers as integers, since the engine hands every number over as a float."""
    if isinstance(value, Mapping):
        return {key: plain_data(value[key]) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_data(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
