"""An unknown SKU: where files were looked for, and no guess that turns simulated machines into real ones."""

from __future__ import annotations

from pathlib import Path

from gridmill.catalog import load_catalog
from gridmill.catalog.unknown import unknown_sku


def problem(own: Path, sku: str) -> tuple[str, str]:
    catalog = load_catalog(own)
    found = unknown_sku(("sku",), sku, catalog.nodes, catalog, "nodes")
    return found.expected.partition("; ")[2], found.hint


def test_a_missing_folder_is_named_and_no_real_machine_is_proposed(tmp_path: Path) -> None:
    own = tmp_path / "inventories" / "mine" / "skus"
    looked = "or a file inventories/mine/skus/nodes/sim-dgx-h100.yaml"
    missing = f"{looked} (there is no inventories/mine/skus/)"
    assert problem(own, "sim-dgx-h100") == (missing, "make that folder, with the SKUs of the site in it")
    assert problem(own, "dgx-h10")[1] == "did you mean dgx-h100?"
    own.mkdir(parents=True)
    assert problem(own, "sim-dgx-h100") == (looked, "did you mean dgx-h100?")
    assert problem(own, "nothing-like-it")[1] == "add that file"
