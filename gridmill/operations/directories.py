"""Where Gridmill keeps what is not part of the checkout: a cache that can be deleted, and state that cannot."""

from __future__ import annotations

import os
from pathlib import Path


def cache_directory() -> Path:
    """Directory of things that can be made again (engine, root file systems, packages)."""
    return _directory("GRIDMILL_CACHE", "XDG_CACHE_HOME", ".cache")


def state_directory() -> Path:
    """Directory of things that must survive (Pulumi state, logs, keys of the virtual site)."""
    return _directory("GRIDMILL_STATE", "XDG_STATE_HOME", ".local/state")


def on_this_machine(text: str) -> Path:
    """A path of the stack on this machine: `~` and `{state}` filled in."""
    return Path(text.replace("{state}", str(state_directory()), 1)).expanduser()


def _directory(own: str, xdg: str, fallback: str) -> Path:
    if value := os.environ.get(own):
        return Path(value).expanduser().resolve()
    base = os.environ.get(xdg)
    return (Path(base).expanduser() if base else Path.home() / fallback) / "gridmill"
