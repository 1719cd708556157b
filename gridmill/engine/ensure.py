"""One engine: the user's own, the cached one, the makers' archive, or a build; in this order."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .build import build_engine
from .download import download_engine
from .errors import SetupError
from .found import Engine, cached_engine, engine_on_path, is_complete
from .locations import engines_directory, own_engine
from .progress import say

Way = Callable[[Path, Path], None]
"""Fills a directory with the engine's executables; the second directory is scratch space."""

STAGING_PREFIX = ".unfinished-"
WAYS: dict[str, Way] = {"download": download_engine, "build": build_engine}


def ensure_engine() -> Engine:
    """The engine to use, set up if need be. GRIDMILL_ENGINE=path|download|build allows only that way.

    Raises:
        SetupError: no way leads to an engine; the text says why for each.
    """
    forced = os.environ.get("GRIDMILL_ENGINE", "")
    if forced not in ("", "path", *WAYS):
        raise SetupError(f"GRIDMILL_ENGINE is {forced!r}; it can be path, download or build")
    reasons = []
    if forced in ("", "path"):
        engine, reason = engine_on_path()
        if engine:
            say(reason)
            return engine
        reasons.append(reason)
    if forced == "path":
        raise SetupError(reasons[0])
    with _locked():
        _remove_unfinished()
        if engine := cached_engine():
            say(f"the cached engine serves: {engine.directory}")
            return engine
        for name in (forced,) if forced else WAYS:
            try:
                return _set_up(WAYS[name])
            except SetupError as error:
                say(f"{name}: {error}")
                reasons.append(f"{name}: {error}")
    raise SetupError("the Pulumi engine cannot be set up:\n  " + "\n  ".join(reasons))


def _set_up(way: Way) -> Engine:
    """Fill a directory beside the final one, then rename it: what is in place is whole."""
    final = own_engine().parent
    with tempfile.TemporaryDirectory(prefix=STAGING_PREFIX, dir=engines_directory()) as name:
        staging = Path(name)
        staged = staging / "engine" / "bin"
        staged.mkdir(parents=True)
        way(staged, staging)
        if not is_complete(staged):
            raise SetupError("not every executable of the engine came about")
        if final.exists():
            shutil.rmtree(final)
        staged.parent.rename(final)
    return Engine(own_engine(), users_own=False)


@contextmanager
def _locked() -> Iterator[None]:
    """One set-up at a time in this cache; a second one waits for the first and then finds its result."""
    engines_directory().mkdir(parents=True, exist_ok=True)
    with (engines_directory() / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is under way; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_unfinished() -> None:
    """Clear what killed set-ups left; under the lock, so nobody's work is taken."""
    for directory in engines_directory().glob(f"{STAGING_PREFIX}*"):
        shutil.rmtree(directory)
