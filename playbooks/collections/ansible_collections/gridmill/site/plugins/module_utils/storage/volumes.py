"""Directories of volumes on the server that keeps them: the volumes' own, and one for each user. Nothing is removed."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED_MODE = 0o1777
"""As /tmp: everybody may write, and remove only what is his own."""
PARENT_MODE = 0o755
PRIVATE_MODE = 0o700
SKELETON = Path("/etc/skel")


@dataclass(frozen=True)
class Directory:
    """A directory as it shall be. A user's own is made right once; what its owner does with its mode is his affair."""

    path: Path
    uid: int
    mode: int
    user: bool = False
    home: bool = False


def not_mounted(places: Iterable[Path], mounted: bool) -> list[str]:
    """What is wrong with places that must be mount points, if they must."""
    wrong = [path for path in places if mounted and not path.is_mount()]
    return [f"{path} is no mount point: is its disk there, and in /etc/fstab?" for path in wrong]


def directories(volumes: Mapping[str, Mapping[str, Any]], people: Iterable[Mapping[str, Any]]) -> list[Directory]:
    """Directories of all volumes; `path` of a volume is its place, and what it holds decides the rest."""
    found = []
    for _, volume in sorted(volumes.items()):
        path, holds = Path(volume["path"]), volume["holds"]
        found.append(Directory(path, 0, SHARED_MODE if holds == "shared" else PARENT_MODE))
        if holds != "shared":
            for one in people:
                uid = int(one["uid"])
                found.append(Directory(path / str(one["name"]), uid, PRIVATE_MODE, user=True, home=holds == "homes"))
    return found


@dataclass(frozen=True)
class Work:
    """What is to be made or put right, as (directory, what), and what stands in the way."""

    make: list[Directory]
    repair: list[Directory]
    problems: list[str]

    def actions(self) -> list[str]:
        """One line each."""
        return [f"make {one.path}" for one in self.make] + [f"set owner and mode of {one.path}" for one in self.repair]


def compare(wanted: Iterable[Directory]) -> Work:
    """Look at what is there. Links are not followed; a user's directory that belongs to another is a problem."""
    work = Work([], [], [])
    for one in wanted:
        try:
            found = one.path.lstat()
        except FileNotFoundError:
            work.make.append(one)
            continue
        if not stat.S_ISDIR(found.st_mode):
            work.problems.append(f"{one.path} is no directory")
        elif one.user and found.st_uid != one.uid:
            work.problems.append(f"{one.path} belongs to uid {found.st_uid}, the plan says {one.uid}")
        elif not one.user and (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (one.uid, one.uid, one.mode):
            work.repair.append(one)
    return work


def carry_out(work: Work) -> None:
    """Make and repair; a home gets the files of /etc/skel. A user's directory has its owner before its name."""
    for one in work.make:
        if not one.user:
            one.path.mkdir(parents=True)
            _own(one.path, one)
            continue
        new = one.path.with_name(f".{one.path.name}.new")
        if new.is_dir():
            shutil.rmtree(new)
        new.mkdir(mode=PRIVATE_MODE)
        if one.home:
            _skeleton(new, one.uid)
        _own(new, one)
        new.rename(one.path)
    for one in work.repair:
        _own(one.path, one)


def _own(path: Path, wanted: Directory) -> None:
    os.chown(path, wanted.uid, wanted.uid, follow_symlinks=False)
    path.chmod(wanted.mode)


def _skeleton(home: Path, uid: int) -> None:
    for file in sorted(SKELETON.glob("*")) + sorted(SKELETON.glob(".*")):
        if file.is_file() and not file.is_symlink():
            copy = home / file.name
            shutil.copyfile(file, copy)
            os.chown(copy, uid, uid)
