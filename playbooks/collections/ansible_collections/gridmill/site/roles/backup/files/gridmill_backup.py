#!/usr/bin/python3
"""Backs up what a controller cannot be rebuilt without, and puts it back. Runs on the controller, as root.

A generation is a directory: two encrypted archives and a manifest. It is written under another name, encrypted also to
a key that lives in memory for the length of the run, decrypted with that again and compared, and only then named as a
generation; older ones are removed after that. Nothing readable reaches the directory: archives are encrypted as they
are made. Standard library only; `age` encrypts.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIGURATION = Path("/etc/gridmill/backup.json")
RUNTIME = Path("/run/gridmill-backup")
SCHEMA = "gridmill.backup/v1"
DATABASE, FILES, MANIFEST, LATEST = "database.sql.gz.age", "files.tar.gz.age", "manifest.json", "latest"
UNFINISHED = ".unfinished-"
CHUNK = 1 << 20
SETTLING_TRIES = 10
SETTLING_PAUSE_S = 0.5
SPARE_BYTES = 64 << 20
"""Free space beyond twice the last generation that a run asks for before it begins."""


class BackupError(Exception):
    """Why there is no backup, or why it was not put back; one line."""


@dataclass(frozen=True)
class Settings:
    """What the role wrote down."""

    site: str
    directory: Path
    mounted: bool
    recipients: tuple[str, ...]
    keep: int
    database: str
    parts: dict[str, Path]
    """Name of a part in the archive, and the file or directory that it is: keys, ledger, journal, slurm-state."""


def read_settings(path: Path) -> Settings:
    data = json.loads(path.read_text(encoding="utf-8"))
    return Settings(
        data["site"],
        Path(data["directory"]),
        data["mounted"],
        tuple(data["recipients"]),
        data["keep"],
        data["database"],
        {name: Path(place) for name, place in data["parts"].items()},
    )


# --- making a generation -------------------------------------------------------------------------------------------


def back_up(settings: Settings, now: Callable[[], float] = time.time) -> Path:
    """Make and verify one generation, then remove what is over. BackupError, and what was there stays."""
    directory = settings.directory
    if settings.mounted and not (directory.is_mount() or directory.parent.is_mount()):
        raise BackupError(
            f"no volume is mounted at {directory} or right above it; nothing is written to the disk below"
        )
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in directory.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left)
    check_space(directory)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now()))
    place = directory / f"{UNFINISHED}{stamp}"
    place.mkdir(mode=0o700)
    identity, own = throw_away_key()
    recipients = (*settings.recipients, own)
    # the database first: a job that ends in between is over in Slurm's own state, and is not run once more
    database = encrypted(dump(settings.database), place / DATABASE, recipients)
    archive, settled = files_archive(settings.parts)
    files = encrypted([archive], place / FILES, recipients)
    for name, written in ((DATABASE, database), (FILES, files)):
        if hashed(decrypted(place / name, identity)) != written["plain"]:
            raise BackupError(f"{name}: what was read back is not what was written; is the disk well?")
    identity.unlink()
    manifest = {
        "schema": SCHEMA,
        "site": settings.site,
        "host": socket.gethostname(),
        "made": int(now()),
        "settled": settled,
        "parts": sorted(settings.parts),
        "recipients": list(settings.recipients),
        "archives": {DATABASE: database, FILES: files},
    }
    (place / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    for path in (*place.iterdir(), place):
        sync(path)
    target = directory / stamp
    place.rename(target)
    point_at(directory, stamp)
    for old in generations(directory)[: -settings.keep]:
        shutil.rmtree(directory / old)
    return target


def check_space(directory: Path) -> None:
    last = generations(directory)[-1:]
    size = sum(path.stat().st_size for name in last for path in (directory / name).iterdir())
    free = shutil.disk_usage(directory).free
    if free < 2 * size + SPARE_BYTES:
        raise BackupError(f"{directory}: {free >> 20} MiB free, {(2 * size + SPARE_BYTES) >> 20} MiB are asked for")


def generations(directory: Path) -> list[str]:
    """Names of the generations, oldest first."""
    return sorted(path.parent.name for path in directory.glob(f"[0-9]*Z/{MANIFEST}"))


def point_at(directory: Path, stamp: str) -> None:
    new = directory / f".{LATEST}"
    new.unlink(missing_ok=True)
    new.symlink_to(stamp)
    new.replace(directory / LATEST)
    sync(directory)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def throw_away_key() -> tuple[Path, str]:
    """A key pair for this run only: its private half in memory, and its public half."""
    identity = RUNTIME / "identity"
    identity.unlink(missing_ok=True)
    done = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True)
    with os.fdopen(os.open(identity, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(done.stdout)
    public = subprocess.run(["age-keygen", "-y", str(identity)], capture_output=True, text=True, check=True)
    return identity, public.stdout.strip()


def dump(database: str) -> Iterator[bytes]:
    """The database as SQL, as it was at one moment. BackupError when it is not whole."""
    command = ["mariadb-dump", "--no-defaults", "--single-transaction", "--quick", "--routines", database]
    tail = b""
    for chunk in output_of(command):
        tail = (tail + chunk)[-200:]
        yield chunk
    if b"-- Dump completed" not in tail:
        raise BackupError(f"{database}: the dump ended early")


def files_archive(parts: dict[str, Path]) -> tuple[bytes, bool]:
    """A tar of the parts, and whether nothing changed in them while they were read. Slurm replaces its files whole and
    one by one; a set during whose reading none was replaced is of one moment."""
    for attempt in range(SETTLING_TRIES):
        if attempt:
            time.sleep(SETTLING_PAUSE_S)
        before = seen(parts)
        try:
            content = packed(parts)
        except FileNotFoundError:
            continue
        if seen(parts) == before:
            return content, True
    return packed(parts), False


def seen(parts: dict[str, Path]) -> list[tuple[str, int, int, int]]:
    found = []
    for root in parts.values():
        for path in (root, *sorted(root.rglob("*"))):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def packed(parts: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, path in parts.items():
            if path.exists():
                archive.add(path, name, filter=lambda item: item if item.isreg() or item.isdir() else None)
    return buffer.getvalue()


# --- age -----------------------------------------------------------------------------------------------------------


def encrypted(source: Iterable[bytes], target: Path, recipients: Iterable[str]) -> dict[str, Any]:
    """Compress and encrypt; the digest of what went in (compressed), and of the file that came out."""
    command = ["age", "--encrypt", "--output", str(target)]
    command += [word for recipient in recipients for word in ("--recipient", recipient)]
    plain = hashlib.sha256()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as age:
        try:
            for chunk in compressed(source):
                plain.update(chunk)
                feed(age, chunk)
        except BrokenPipeError:
            plain.update(b"cut off")  # and age says why
        if age.stdin:
            age.stdin.close()
        complaint = age.stderr.read() if age.stderr else b""
    if age.returncode:
        raise BackupError(f"age: {complaint.decode().strip() or age.returncode}")
    target.chmod(0o600)
    return {"plain": plain.hexdigest(), "sha256": hashed(pieces(target)), "bytes": target.stat().st_size}


def feed(process: subprocess.Popen[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest and process.stdin:
        rest = rest[process.stdin.write(rest) :]


def compressed(source: Iterable[bytes]) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=5, mtime=0) as packer:
        for chunk in source:
            packer.write(chunk)
            if buffer.tell() >= CHUNK:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
    yield buffer.getvalue()


def decrypted(path: Path, identity: Path) -> Iterator[bytes]:
    return output_of(["age", "--decrypt", "--identity", str(identity), str(path)])


def output_of(command: list[str]) -> Iterator[bytes]:
    """Standard output in pieces. BackupError with the last line of complaint when the command fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while process.stdout and (chunk := process.stdout.read(CHUNK)):
            yield chunk
        complaint = (process.stderr.read() if process.stderr else b"").decode().strip()
    if process.returncode:
        raise BackupError(f"{command[0]}: {complaint.splitlines()[-1] if complaint else process.returncode}")


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def hashed(source: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in source:
        digest.update(chunk)
    return digest.hexdigest()


# --- putting back --------------------------------------------------------------------------------------------------


def restore_files(
    settings: Settings, wanted: list[str], source: Any, now: Callable[[], float] = time.time
) -> list[str]:
    """Replace the wanted parts by those of a decrypted archive (tar.gz on `source`). What was there is kept beside,
    under another name. Everything is unpacked first, so that a broken archive replaces nothing."""
    if unknown := set(wanted) - set(settings.parts):
        raise BackupError(f"no such part: {', '.join(sorted(unknown))}")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now()))
    done = []
    unpacked = {
        name: path.with_name(f".{path.name}.restoring") for name, path in settings.parts.items() if name in wanted
    }
    for place in unpacked.values():
        remove(place)
    with tarfile.open(fileobj=source, mode="r|gz") as archive:
        for item in archive:
            name, _, rest = item.name.partition("/")
            if name not in unpacked:
                continue
            item.name = rest
            unpack(archive, item, unpacked[name])
    for name, place in unpacked.items():
        if not place.exists():
            raise BackupError(f"the archive has no {name}")
    for name, place in unpacked.items():
        path = settings.parts[name]
        if path.exists():
            path.rename(path.with_name(f"{path.name}.before-{stamp}"))
        place.rename(path)
        done.append(str(path))
    return done


def unpack(archive: tarfile.TarFile, item: tarfile.TarInfo, place: Path) -> None:
    """One file or directory, below `place`, with its owner and mode; anything else is refused."""
    target = place / item.name if item.name else place
    if ".." in Path(item.name).parts or item.name.startswith("/") or not (item.isreg() or item.isdir()):
        raise BackupError(f"the archive holds {item.name!r}, which no backup makes")
    if item.isdir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        content = archive.extractfile(item)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file) if content else None
            file.flush()
            os.fsync(file.fileno())
    shutil.chown(target, *owner_of(item))
    target.chmod(item.mode & 0o777)


def owner_of(item: tarfile.TarInfo) -> tuple[str | int, str | int]:
    """By name, as numbers differ between machines."""
    return item.uname or item.uid, item.gname or item.gid


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- command line --------------------------------------------------------------------------------------------------


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Manifests of all generations, oldest first."""
    found = []
    for name in generations(settings.directory):
        manifest = json.loads((settings.directory / name / MANIFEST).read_text(encoding="utf-8"))
        found.append({"generation": name, **manifest})
    return found


def alone(runtime: Path) -> int:
    """Hold the lock until this process ends. BackupError when another run does."""
    descriptor = os.open(runtime / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BackupError("another backup is running") from None
    return descriptor


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="make a generation")
    commands.add_parser("list", help="the generations, as JSON")
    restore = commands.add_parser(
        "restore-files", help="replace parts by those of a decrypted archive on standard input"
    )
    restore.add_argument("parts", nargs="+")
    options = parser.parse_args(arguments)
    try:
        settings = read_settings(CONFIGURATION)
        if options.command == "list":
            print(json.dumps(listed(settings)))
            return 0
        RUNTIME.mkdir(mode=0o700, exist_ok=True)
        alone(RUNTIME)
        if options.command == "run":
            print(back_up(settings))
        else:
            print(" ".join(restore_files(settings, options.parts, sys.stdin.buffer)))
    except (BackupError, OSError, ValueError, KeyError, tarfile.TarError, subprocess.CalledProcessError) as error:
        print(f"backup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
