"""`gridmill pin`: the Gridmill of a project, pinned by version and hash, with everything that it needs.

A wheel carries the lock of its own dependencies; the project's requirements.txt is that lock and the wheel's hash.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from email.parser import HeaderParser
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gridmill.operations.errors import OperationError
from gridmill.operations.places import project

NAME = "gridmill"
WHEELS = "wheels"
"""Directory of a project with the wheel that is pinned, unless colleagues get it from an index or an address."""
SOURCE, LOCK = "requirements.in", "requirements.txt"
HEAD = (
    f"# Made by `gridmill new` and `gridmill pin` of {SOURCE}: Gridmill by version and hash, then what it needs, as\n"
    "# its wheel says.\n"
)
LOCKS = {False: "requirements.txt", True: "requirements-lab.txt"}
"""Locks that a wheel carries, by whether the virtual site's packages are in them."""
_OWN = re.compile(rf"^{NAME}(\[lab\])?\s*(==|@)[^\n]*$", re.MULTILINE)


@dataclass(frozen=True)
class Pin:
    """A wheel of Gridmill that a project can name."""

    version: str
    sha256: str
    locks: dict[bool, str]
    """Its dependencies with hashes; by whether the virtual site's are among them."""
    file: Path | None = None
    """To be copied into the project; None where others get it from an index, or from `url`."""
    url: str = ""

    def requirement(self, *, lab: bool) -> str:
        """As pip reads it."""
        extra = "[lab]" if lab else ""
        return f"{NAME}{extra} @ {self.url}" if self.url else f"{NAME}{extra}=={self.version}"

    def lock(self, *, lab: bool) -> str:
        """Text of requirements.txt."""
        found = f"--find-links {WHEELS}\n" if self.file else ""
        own = f"{self.requirement(lab=lab)} \\\n    --hash=sha256:{self.sha256}\n"
        return f"{HEAD}{found}{own}{self.locks[lab]}"


def read_wheel(file: Path) -> Pin:
    """What a wheel's file says of itself. OperationError where it is none of Gridmill's."""
    try:
        with zipfile.ZipFile(file) as archive:
            name = next(item for item in archive.namelist() if item.endswith(".dist-info/METADATA"))
            told = HeaderParser().parsestr(archive.read(name).decode("utf-8"))
            locks = {lab: archive.read(f"{NAME}/{lock}").decode("utf-8") for lab, lock in LOCKS.items()}
    except (zipfile.BadZipFile, StopIteration, KeyError, UnicodeDecodeError) as error:
        raise OperationError(f"{file} is no wheel of Gridmill ({error!r})") from error
    if told["Name"] != NAME:
        raise OperationError(f"{file} is a wheel of {told['Name']}, not of {NAME}")
    return Pin(told["Version"], hashlib.sha256(file.read_bytes()).hexdigest(), locks, file)


def installed_wheel() -> Pin:
    """The wheel that this very Gridmill was installed from, as the installer noted it (PEP 610).

    OperationError where it noted none, or the file is another one by now.
    """
    try:
        distribution = metadata.distribution(NAME)
    except metadata.PackageNotFoundError as error:
        hint = "build one with `make wheel`, and name it: --wheel dist/gridmill-VERSION-py3-none-any.whl"
        raise OperationError(f"this Gridmill is a checkout, and a project pins a wheel; {hint}") from error
    text = distribution.read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(text) if text else {}
    archive = origin.get("archive_info", {})
    sha256 = archive.get("hashes", {}).get("sha256", "") or archive.get("hash", "").removeprefix("sha256=")
    version = distribution.version
    how = f"`pip download --no-deps {NAME}=={version}`, and name the file: --wheel FILE"
    if not sha256:
        raise OperationError(f"nobody noted the hash of the wheel that this Gridmill was installed from; {how}")
    url = urlsplit(origin["url"])
    if url.scheme != "file":
        package = Path(str(distribution.locate_file(NAME)))
        locks = {lab: (package / name).read_text(encoding="utf-8") for lab, name in LOCKS.items()}
        return Pin(version, sha256, locks, url=origin["url"])
    file = Path(unquote(url.path))
    if not file.exists():
        raise OperationError(
            f"{file}, which this Gridmill was installed from, is gone; name another copy: --wheel FILE"
        )
    found = read_wheel(file)
    if found.sha256 != sha256:
        raise OperationError(f"{file} is not what this Gridmill was installed from any more; name that: --wheel FILE")
    return found


def chosen(wheel: Path | None, *, index: bool) -> Pin:
    """The wheel to pin: the named one, or the one that this Gridmill came from."""
    found = read_wheel(wheel) if wheel else installed_wheel()
    return Pin(found.version, found.sha256, found.locks) if index else found


def add_pin_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill pin`."""
    command.add_argument("wheel", type=Path, help="file of the wheel: gridmill-VERSION-py3-none-any.whl")
    add_index_argument(command)


def add_index_argument(command: argparse.ArgumentParser) -> None:
    """Where colleagues get the wheel from."""
    command.add_argument(
        "--index", action="store_true", help=f"everyone gets the wheel from pip's index: no copy of it in {WHEELS}/"
    )


def pin(options: argparse.Namespace) -> int:
    """Have the project use another Gridmill from now on; the virtual environment follows by `ci/setup.sh`."""
    place = project()
    source = place / SOURCE
    text = source.read_text(encoding="utf-8")
    found = chosen(options.wheel, index=options.index)
    own = _OWN.search(text)
    if own is None:
        raise OperationError(f"{source} has no line `{NAME}==VERSION`")
    lab = own[1] is not None
    text = text.replace(own[0], found.requirement(lab=lab), 1)
    ours = ("", found.requirement(lab=lab))
    others = [line for line in text.splitlines() if line.strip() not in ours and not line.startswith(("#", "--"))]
    wheels = place / WHEELS
    for old in wheels.glob(f"{NAME}-*.whl"):
        if found.file is None or old.resolve() != found.file.resolve():
            old.unlink()
    if found.file:
        wheels.mkdir(exist_ok=True)
        copy = wheels / found.file.name
        if copy.resolve() != found.file.resolve():
            shutil.copyfile(found.file, copy)
    source.write_text(text, encoding="utf-8")
    if others:
        command = f"uv pip compile --universal --generate-hashes {SOURCE} -o {LOCK}"
        print(f"{SOURCE} names packages of your own: lock it anew, with hashes, for instance\n  {command}")
    else:
        (place / LOCK).write_text(found.lock(lab=lab), encoding="utf-8")
    print(f"{found.requirement(lab=lab)} is pinned; install it with ci/setup.sh, then preview what it changes")
    return 0
