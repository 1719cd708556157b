"""Engines that are there already: the user's own on PATH, or the one this set-up cached."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .locations import ENGINE_EXECUTABLES, ENGINE_VERSION, engines_directory, own_engine

Version = tuple[int, int, int]

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-\S+)?\s*\Z")
VERSION_SECONDS = 30.0


@dataclass(frozen=True)
class Engine:
    """A usable engine: the directory to have on PATH, and whether it is the user's own."""

    directory: Path
    users_own: bool


def parse_version(text: str) -> Version | None:
    """Release number in the output of `pulumi version`; None for anything else, pre-releases included."""
    match = _VERSION.fullmatch(text.strip())
    if match is None or match.group(4):
        return None
    return int(match.group(1)), int(match.group(2)), int(match.group(3))


def new_enough(version: Version | None) -> bool:
    """Whether an engine of this version serves: the pinned one or a later one of the same major version."""
    return version is not None and version[0] == ENGINE_VERSION[0] and version >= ENGINE_VERSION


def is_complete(directory: Path) -> bool:
    """Whether every executable of the engine stands in `directory`."""
    return all(os.access(directory / name, os.X_OK) for name in ENGINE_EXECUTABLES)


def cached_engine() -> Engine | None:
    """The pinned engine, if an earlier set-up finished it."""
    directory = own_engine()
    return Engine(directory, users_own=False) if is_complete(directory) else None


def engine_on_path() -> tuple[Engine | None, str]:
    """The user's own engine, or None with the reason why it does not serve. Ours is not the user's."""
    ours = engines_directory().resolve()
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    path = os.pathsep.join(str(place) for place in places if not place.resolve().is_relative_to(ours))
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None:
        return None, "no pulumi on PATH"
    version = parse_version(_version_text(pulumi))
    if not new_enough(version):
        wanted, found = (".".join(map(str, item)) for item in (ENGINE_VERSION, version or ("unknown",)))
        return None, f"{pulumi} is of version {found}, {wanted} or a later {ENGINE_VERSION[0]}.x is needed"
    beside = str(Path(pulumi).resolve().parent)
    for name in ENGINE_EXECUTABLES:
        if shutil.which(name, path=os.pathsep.join((beside, path))) is None:
            return None, f"{pulumi} has no {name} beside it or on PATH"
    return Engine(Path(pulumi).parent, users_own=True), f"{pulumi} serves"


def find_engine() -> Engine | None:
    """The engine to use, if one is set up: the user's own first, unless a way to set it up is forced."""
    if os.environ.get("GRIDMILL_ENGINE", "path") == "path" and (engine := engine_on_path()[0]):
        return engine
    return cached_engine()


def _version_text(pulumi: str) -> str:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [pulumi, "version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout
