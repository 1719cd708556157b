"""JSON Schemas of the catalogue's files, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from gridmill.catalog.meter_schema import MeterSku
from gridmill.catalog.schema import CoolingUnit, Equipment, Gpu, Node, Pdu, UpsModule
from gridmill.core.base import Part

SKUS: dict[str, type[Part]] = {
    "cooling": CoolingUnit,
    "equipment": Equipment,
    "gpu": Gpu,
    "meter": MeterSku,
    "node": Node,
    "pdu": Pdu,
    "ups": UpsModule,
}
"""Kinds of files of the catalogue's hardware."""


def sku_schemas() -> dict[str, dict[str, Any]]:
    """Schemas (draft 2020-12) by the name of the schema's file."""
    return {
        f"sku-{kind}.schema.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(by_alias=True, mode="validation"),
        }
        for kind, model in SKUS.items()
    }
