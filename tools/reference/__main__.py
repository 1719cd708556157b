"""`python -m tools.reference [--check]`: write docs/reference/, or say what of it is not up to date."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.reference.pages import pages

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Exit status 1 when `--check` finds a page that is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is not up to date")
    options = parser.parse_args()
    stale = []
    for name, text in pages(ROOT).items():
        path = ROOT / "docs" / "reference" / name
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not options.check:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{'not up to date' if options.check else 'wrote'}: docs/reference/{name}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
