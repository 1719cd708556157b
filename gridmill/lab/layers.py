"""Layers: what machines had stored when a snapshot was made, read-only below what they store since.

A snapshot copies nothing: the upper directory of a machine's overlay becomes a layer by renaming it, and the machine
goes on with an empty one above. So files keep their inode numbers and change times, by which Gridmill knows what was
in force before.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from gridmill.lab.errors import LabError
from gridmill.lab.keys import write_atomically
from gridmill.lab.layout import MachinePaths, SitePaths
from gridmill.lab.mounts import remove_tree, unmount


def layers_of(racked: Path) -> list[Path]:
    """The layers that a machine's record names, newest first."""
    try:
        return [Path(one) for one in json.loads(racked.read_text()).get("layers", [])]
    except (FileNotFoundError, ValueError):
        return []


def lowers(racked: Path) -> list[Path]:
    """The layers to mount below what a machine stores; LabError when one is gone.

    A newest one that is missing holds nothing: a killed snapshot noted it before the upper directory moved there.
    """
    layers = layers_of(racked)
    if layers and not layers[0].is_dir():
        layers = layers[1:]
    for layer in layers:
        if not layer.is_dir():
            raise LabError(
                f"{racked.parent.name}: {layer}, a part of its disk, is gone",
                "rack it anew: python -m gridmill.lab down, then up",
            )
    return layers


def freeze(paths: MachinePaths, directory: Path) -> None:
    """Make what a machine, which is off, stored so far its newest layer."""
    unmount(paths.root)
    record = json.loads(paths.racked.read_text())
    layer = directory / f"{paths.base.name}-{uuid.uuid4().hex[:8]}"
    directory.mkdir(parents=True, exist_ok=True)
    record["layers"] = [str(layer), *map(str, lowers(paths.racked))]
    write_atomically(paths.racked, json.dumps(record) + "\n")
    paths.upper.rename(layer)
    remove_tree(paths.work)


def records(paths: SitePaths) -> list[Path]:
    """Records of all machines that stand or are part of a snapshot, of one that is being made too."""
    return [*paths.machines.glob("*/racked.json"), *paths.snapshots.glob("*/machines/*/racked.json")]


def collect(paths: SitePaths) -> None:
    """Remove the layers that no machine and no snapshot stands on."""
    used = {layer for record in records(paths) for layer in layers_of(record)}
    for layer in paths.layers.iterdir() if paths.layers.is_dir() else ():
        if layer not in used:
            remove_tree(layer)
