"""Overlay mounts, and removing directories without ever reaching into something mounted there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from gridmill.lab.errors import LabError
from gridmill.lab.processes import run


def mount_points(text: str | None = None) -> list[Path]:
    """All mount points of this process' name space, outermost first (`text`: a mountinfo file)."""
    lines = (Path("/proc/self/mountinfo").read_text() if text is None else text).splitlines()
    return [Path(_unescape(line.split()[4])) for line in lines]


def _unescape(word: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def is_mounted(path: Path) -> bool:
    """Whether something is mounted exactly there."""
    return path.resolve() in mount_points()


def mount_overlay(*, lowers: Sequence[Path], upper: Path, work: Path, target: Path) -> None:
    """Mount an overlay, `lowers` from the uppermost down; the directories that are written to are made when missing."""
    for path in (*lowers, upper, work, target):
        if set(str(path)) & set(":,\\"):
            raise LabError(f"{path}: an overlay can't be mounted from a path with ':', ',' or a backslash")
    for path in (upper, work, target):
        path.mkdir(parents=True, exist_ok=True)
    options = f"lowerdir={':'.join(map(str, lowers))},upperdir={upper},workdir={work}"
    # newer programs hand over each option by itself, and the kernel takes 255 bytes of one: too few for some layers
    environment = {"LIBMOUNT_FORCE_MOUNT2": "always"}
    run(["mount", "-t", "overlay", "overlay", "-o", options, str(target)], environment=environment)


def unmount(path: Path) -> None:
    """Unmount what is mounted at a path and below it; nothing happens when nothing is."""
    resolved = path.resolve()
    for point in sorted(
        (point for point in mount_points() if point.is_relative_to(resolved)),
        key=lambda point: len(point.parts),
        reverse=True,
    ):
        run(["umount", str(point)])


def remove_tree(path: Path) -> None:
    """Remove a directory; LabError when something is still mounted in it."""
    if not path.exists():
        return
    resolved = path.resolve()
    held = [str(point) for point in mount_points() if point.is_relative_to(resolved)]
    if held:
        raise LabError(f"{path} is not removed: mounted below it: {', '.join(held)}")
    shutil.rmtree(path)


def discard(path: Path) -> None:
    """Remove a half-made directory of ours, unmounting first what was mounted in it."""
    unmount(path)
    remove_tree(path)
