"""The version of Gridmill: that of `pyproject.toml` in a checkout, that of the installed package elsewhere."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

NAME = "gridmill"
CHECKOUT = Path(__file__).resolve().parents[1]


def version(checkout: Path = CHECKOUT) -> str:
    """Such as `0.1.0`."""
    try:
        project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    except FileNotFoundError:
        return metadata.version(NAME)
    return str(project["version"])
