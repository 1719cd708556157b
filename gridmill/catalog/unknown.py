"""A SKU that the catalogue does not have: what it has, where files were looked for, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gridmill.catalog.loader import Catalog
from gridmill.core.errors import Path, Problem

LIKELY, ALMOST_SURE = 0.6, 0.81
"""How alike two names are before one is taken for the other. Where the folder of a site's own SKUs is missing, all of
them are unknown, and a guess would turn a simulated machine into a real one."""


def unknown_sku(path: Path, sku: str, known: Iterable[str], catalog: Catalog, kinds: str) -> Problem:
    """The problem at `path`; `kinds` names the folder in which such files are."""
    names = sorted(known)
    guess = catalog.own_found or not catalog.own
    near = difflib.get_close_matches(sku, names, n=1, cutoff=LIKELY if guess else ALMOST_SURE)
    expected, hint = f"one of {', '.join(names)}", "add a file for it beside the stack"
    if catalog.own:
        expected += f"; or a file {catalog.own}/{kinds}/{sku}.yaml"
        expected += "" if catalog.own_found else f" (there is no {catalog.own}/)"
        hint = "add that file" if catalog.own_found else "make that folder, with the SKUs of the site in it"
    return Problem(path, f"unknown SKU {sku}", expected, f"did you mean {near[0]}?" if near else hint)
