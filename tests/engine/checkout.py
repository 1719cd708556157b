"""A copy of the checkout for the real engine, whose site has no machines: what would ask them is a stand-in."""

from __future__ import annotations

from pathlib import Path

from benchmarks.preview import copy, engine_environment


def checkout_at(directory: Path) -> tuple[Path, dict[str, str]]:
    """Where the copy is, and the environment of its commands; the site's SSH files are there, and empty."""
    place = directory / "checkout"
    copy(place)
    stack = place / "Pulumi.lab.yaml"
    stack.write_text(stack.read_text(encoding="utf-8").partition("encryptionsalt")[0], encoding="utf-8")
    environment = engine_environment(place, directory / "state")
    environment.pop("GRIDMILL_PREVIEW", None)
    access = directory / "state" / "lab" / "lab"
    access.mkdir(parents=True)
    for name in ("id_ed25519", "known_hosts"):
        (access / name).touch()
    return place, environment
