"""The engine as its makers publish it: the release archive, checked against the published checksums."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tarfile
import urllib.request
from pathlib import Path

from .errors import SetupError
from .locations import ENGINE_EXECUTABLES, ENGINE_VERSION_TEXT
from .progress import step

RELEASES = "https://get.pulumi.com/releases/sdk"
CONNECT_SECONDS = 8.0

_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def download_engine(binaries: Path, scratch: Path) -> None:
    """Fill the directory `binaries` from the release archive; `scratch` takes what is needed on the way.

    Raises:
        SetupError: the makers cannot be reached, or what came is not what they published.
    """
    name = archive_name()
    with step(f"download of {name} from Pulumi"):
        checksums = scratch / "checksums.txt"
        archive = scratch / name
        _fetch(f"{RELEASES}/pulumi-{ENGINE_VERSION_TEXT}-checksums.txt", checksums)
        expected = published_checksum(checksums.read_text(), name)
        _fetch(f"{RELEASES}/{name}", archive)
        found = _digest(archive)
        if found != expected:
            raise SetupError(f"{name} has SHA-256 {found}, published is {expected}")
        unpack(archive, binaries)


def archive_name() -> str:
    """Name of the release archive for this machine."""
    machine = _MACHINES.get(platform.machine().lower())
    if platform.system() != "Linux" or machine is None:
        raise SetupError(f"no release archive is known for {platform.system()} on {platform.machine()}")
    return f"pulumi-v{ENGINE_VERSION_TEXT}-linux-{machine}.tar.gz"


def published_checksum(checksums: str, name: str) -> str:
    """SHA-256 of `name` in a file of lines `<hex>  <name>`."""
    for line in checksums.splitlines():
        match line.split():
            case [digest, published] if published.lstrip("*") == name:
                return digest.lower()
    raise SetupError(f"the published checksums do not name {name}")


def unpack(archive: Path, binaries: Path) -> None:
    """Take the engine's executables, and nothing else, out of a release archive."""
    missing = set(ENGINE_EXECUTABLES)
    with tarfile.open(archive) as contents:
        for member in contents:
            name = Path(member.name).name
            if name in missing and member.isfile() and (source := contents.extractfile(member)):
                with source, (binaries / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                (binaries / name).chmod(0o755)
                missing.discard(name)
    if missing:
        raise SetupError(f"{archive.name} lacks {', '.join(sorted(missing))}")


def _fetch(url: str, target: Path) -> None:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, target.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(answer, file)
    except OSError as error:
        raise SetupError(f"{url} cannot be had: {getattr(error, 'reason', error)}") from error


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
