"""Verified generations of Pulumi's state, for the file backend.

A full disk was seen to cut off both the state file and its backup. So before an update begins there must be room for
the state and its copies, and the state as it is then is kept, under a name that holds its digest. Object storage and
databases keep their own generations; there this does nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from gridmill.operations.directories import state_directory
from gridmill.operations.errors import OperationError

PROJECT = "gridmill"
KEPT = 30
COPIES = 4
"""Copies of the state that must fit before an update: the new state, its backup, its history, our generation."""
SPARE_BYTES = 64 << 20
CONSENT = "pulumi-state"
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}")


@dataclass(frozen=True)
class StateGeneration:
    """One kept state."""

    name: str
    """Time (UTC) and digest."""
    path: Path
    whole: bool
    """Whether the content still has that digest and can be read."""


def state_file(stack: str) -> Path | None:
    """The stack's file in a file backend; None for any other backend."""
    default = f"file://{Path(pwd.getpwuid(os.getuid()).pw_dir) / '.local/state/gridmill/pulumi'}"
    url = os.environ.get("PULUMI_BACKEND_URL") or default
    if not url.startswith("file://"):
        return None
    directory = Path(url.removeprefix("file://").partition("?")[0]).expanduser()
    return directory / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"


def resources_in(content: bytes) -> int:
    """How many resources a state holds. OperationError when it cannot be read."""
    try:
        latest = json.loads(content)["checkpoint"]["latest"]
        return len((latest or {}).get("resources") or [])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperationError(f"Pulumi's state is cut off or damaged ({type(error).__name__})") from error


def keep_generation(stack: str, stack_file: Path) -> Path | None:
    """Keep the state as it is, with the stack file; None where there is nothing to keep.

    OperationError when the disk has no room for an update, or the state cannot be read.
    """
    path = state_file(stack)
    if path is None or not path.exists():
        return None
    content = path.read_bytes()
    directory = _directory(stack)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in (path.parent, directory):
        free, needed = shutil.disk_usage(place).free, COPIES * len(content) + SPARE_BYTES
        if free < needed:
            raise OperationError(
                f"{place}: {free >> 20} MiB free, {needed >> 20} MiB are needed: a full disk cuts Pulumi's state off"
            )
    resources_in(content)
    digest = hashlib.sha256(content).hexdigest()[:16]
    found = generations(stack)
    if found and found[-1].name.endswith(digest) and found[-1].whole:
        return found[-1].path
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{digest}"
    _write(directory / f"{name}.yaml", stack_file.read_bytes())
    _write(directory / f"{name}.json", content)
    for old in generations(stack)[:-KEPT]:
        old.path.unlink()
        old.path.with_suffix(".yaml").unlink(missing_ok=True)
    return directory / f"{name}.json"


def generations(stack: str) -> list[StateGeneration]:
    """What was kept, oldest first."""
    paths = sorted(path for path in _directory(stack).glob("*.json") if _NAME.fullmatch(path.stem))
    return [StateGeneration(path.stem, path, _whole(path)) for path in paths]


def restore_state(stack: str, name: str | None, consents: set[str]) -> str:
    """Put a kept generation (the newest whole one unless named) in the place of the state; what was done, for people.

    The state that is replaced is kept beside. OperationError while Pulumi works, without a whole generation, and for
    a state that can be read unless that was consented to.
    """
    path = state_file(stack)
    if path is None:
        raise OperationError("this backend keeps its own generations; use its means, and `pulumi stack import`")
    locks = path.parents[2] / "locks" / "organization" / PROJECT / stack
    if list(locks.glob("*.json")):
        raise OperationError(f"{stack} is locked: Pulumi works on it, or was killed (then: pulumi cancel)")
    whole = [one for one in generations(stack) if one.whole and name in (None, one.name)]
    if not whole:
        wanted = f"generation {name}" if name else "generation"
        raise OperationError(f"{_directory(stack)} holds no whole {wanted} of {stack}")
    chosen = whole[-1]
    content = chosen.path.read_bytes()
    present = path.read_bytes() if path.exists() else b""
    if present == content:
        return f"the state is {chosen.name} already"
    try:
        count = resources_in(present)
    except OperationError:
        count = -1
    if count >= 0 and CONSENT not in consents:
        raise OperationError(
            f"the state can be read and holds {count} resources; {chosen.name} knows nothing of what was done since it "
            f"was kept. If you mean it: --consent {CONSENT}"
        )
    aside = _directory(stack) / f"replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.state"
    _write(aside, present)
    _write(path, content)
    path.with_name(f"{path.name}.attrs").unlink(missing_ok=True)  # a digest of the former content
    return f"the state is {chosen.name}, with {resources_in(content)} resources; the former one is {aside}"


def _directory(stack: str) -> Path:
    return state_directory() / "sites" / stack / "pulumi"


def _whole(path: Path) -> bool:
    content = path.read_bytes()
    return hashlib.sha256(content).hexdigest().startswith(path.stem.rpartition("-")[2])


def _write(path: Path, content: bytes) -> None:
    """Replace in one step, and only by what was written completely."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if new.read_bytes() != content:
        raise OperationError(f"{path}: what was read back is not what was written")
    new.replace(path)
