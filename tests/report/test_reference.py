"""The generated reference is up to date; `make reference` (or `make golden`) writes it anew."""

from __future__ import annotations

import os

import pytest

from tests.conftest import ROOT
from tools.reference.markdown import anchor, table
from tools.reference.pages import pages

PAGES = pages(ROOT)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    path = ROOT / "docs" / "reference" / name
    if os.environ.get("GRIDMILL_UPDATE_GOLDEN") == "1":
        path.write_text(PAGES[name], encoding="utf-8")
    assert path.read_text(encoding="utf-8") == PAGES[name], f"{name} is old: make reference"


def test_nothing_goes_undescribed() -> None:
    """A key, variable, argument or option without a word of explanation is not documented."""
    for name, text in PAGES.items():
        for line in text.splitlines():
            if line.startswith("| `") and name not in {"catalogue.md", "checks.md"}:
                assert not line.endswith("|  |"), f"{name}: {line}"


def test_cells_hold_any_text() -> None:
    assert table(("a",), [("x | y\nof <site> in `<site>`",)]).splitlines()[-1] == "| x \\| y of \\<site> in `<site>` |"
    assert anchor("`network.vlans.<name>`") == "networkvlansname"
