"""Toolkits on a volume: what lies there, what is to be put there and to be taken away, and the links to it.

<directory>/12.8                     a link to the current toolkit: moved in one step
<directory>/.12.8-<digest>/          a toolkit; the digest is that of its manifest, so one that was tampered with,
                                     or is not whole, or is somebody else's, is not taken for ours
<directory>/.new-12.8/               one that is being made; what a killed run left of it goes with the next run
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.packages.apt import matches

MANIFEST = "gridmill-manifest.json"
NEW = ".new-"
PLACE = "usr/local/cuda-"
"""Where the packages of a toolkit lie, before its version."""
DOCUMENTS = ("usr/share/doc/", "usr/share/lintian/", "usr/share/man/")
"""What every package has, and a toolkit does without."""

_VERSION = re.compile(r"[0-9]+(\.[0-9]+)+")
_KEPT = re.compile(r"\.[0-9]+(\.[0-9]+)+-[0-9a-f]{12}")
_SIMULATED = re.compile(r"^Inst (\S+?)(?::\S+)? \((\S+) ", re.MULTILINE)

Patterns = Mapping[str, str]
Manifest = dict[str, Any]


@dataclass(frozen=True)
class There:
    """What lies in the directory of toolkits."""

    ours: dict[str, Manifest] = field(default_factory=dict)
    """Manifest by version, of toolkits of ours."""
    used: dict[str, str] = field(default_factory=dict)
    """Name of the directory of each of those."""
    foreign: list[str] = field(default_factory=list)
    """Versions whose place has something that is not ours."""
    half: list[str] = field(default_factory=list)
    """What killed runs left."""
    old: list[str] = field(default_factory=list)
    """Toolkits of ours that no link names any more."""


def look(directory: Path) -> There:
    """Look at the directory; its toolkits are not walked through."""
    there = There()
    if not directory.is_dir():
        return there
    names = sorted(path.name for path in directory.iterdir())
    for name in names:
        path = directory / name
        if name.startswith(NEW):
            there.half.append(name)
        elif _VERSION.fullmatch(name):
            target = path.readlink().name if path.is_symlink() else ""
            manifest = read_manifest(directory / target, name) if target else None
            if manifest is None:
                there.foreign.append(name)
            else:
                there.ours[name], there.used[name] = manifest, target
    used = set(there.used.values())
    kept = [name for name in names if _KEPT.fullmatch(name) and name not in used]
    there.old.extend(name for name in kept if read_manifest(directory / name, name[1:].rpartition("-")[0]))
    return there


def read_manifest(toolkit: Path, version: str) -> Manifest | None:
    """The manifest of a toolkit of ours; None for what is somebody else's or was changed."""
    try:
        data = (toolkit / MANIFEST).read_bytes()
        found: Manifest = json.loads(data)
        ours = toolkit.name == kept_name(version, data) and found["version"] == version
        return found if ours and isinstance(found["packages"], dict) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def manifest(version: str, packages: Mapping[str, Mapping[str, str]], left_out: Mapping[str, Iterable[str]]) -> bytes:
    """The text of a manifest: version and digest of every package that the toolkit was made of."""
    found = {"written_by": "Gridmill", "version": version, "packages": packages, "left_out": left_out}
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()


def kept_name(version: str, data: bytes) -> str:
    """Name of the directory of a toolkit with this manifest."""
    return f".{version}-{hashlib.sha256(data).hexdigest()[:12]}"


@dataclass(frozen=True)
class Work:
    """What is to be done."""

    put: list[str]
    """Versions."""
    remove: list[str]
    """Versions whose toolkit is planned no longer."""
    clear: list[str]
    """Names of directories that are in nobody's use."""
    problems: list[str]

    def actions(self) -> list[str]:
        """One line each."""
        return [
            *(f"remove toolkit {version}" for version in self.remove),
            *(f"clear away {name}" for name in self.clear),
            *(f"put toolkit {version} there" for version in self.put),
        ]


def decide(wanted: Mapping[str, Patterns], there: There, directory: Path) -> Work:
    """The difference. A toolkit that was replaced stays for programs that use it, until something else changes."""
    put = [
        version
        for version, patterns in sorted(wanted.items())
        if version not in there.ours or not fits(there.ours[version], patterns)
    ]
    remove = sorted(set(there.ours) - set(wanted))
    problems = [
        f"{directory / version} is none of Gridmill's toolkits, or was changed: move it away"
        for version in there.foreign
        if version in wanted
    ]
    return Work(put, remove, [*there.half, *(there.old if put or remove else ())], problems)


def fits(found: Manifest, patterns: Patterns) -> bool:
    """Whether a toolkit holds the wanted packages at wanted versions."""
    packages = found["packages"]
    return all(name in packages and matches(packages[name]["version"], pattern) for name, pattern in patterns.items())


def parse_simulated(output: str) -> dict[str, str]:
    """Version by package that `apt-get --simulate` would install."""
    return dict(_SIMULATED.findall(output))


def parse_show(output: str) -> dict[tuple[str, str], dict[str, str]]:
    """Fields of packages by name and version, from `apt-cache show`."""
    found = {}
    for block in output.split("\n\n"):
        pairs = [line.partition(": ") for line in block.splitlines() if line[:1].strip()]
        fields = {name: value.strip() for name, separator, value in pairs if separator}
        if {"Package", "Version", "SHA256"} <= set(fields):
            found[fields["Package"], fields["Version"]] = fields
    return found


def parse_contents(output: str, version: str) -> tuple[int, list[str]]:
    """From `dpkg-deb --contents`: how many files are the toolkit's, and the others."""
    inside, others = 0, []
    for line in output.splitlines():
        cells = line.split(maxsplit=5)
        if len(cells) < 6 or cells[0].startswith("d"):  # noqa: PLR2004 - mode, owner, size, date, time, name
            continue
        name = cells[5].partition(" -> ")[0].partition(" link to ")[0].removeprefix("./").lstrip("/")
        if name.startswith(f"{PLACE}{version}/"):
            inside += 1
        elif not name.startswith(DOCUMENTS):
            others.append(name)
    return inside, others


@dataclass(frozen=True)
class Links:
    """What is to be done about the links of one machine."""

    make: dict[str, str]
    remove: list[str]
    kept: list[str]
    """Places that somebody else has taken."""


def compare_links(wanted: Mapping[str, str], recorded: Mapping[str, str], *, pending_change: bool = False) -> Links:
    """Compare with what is there. Ours is a link that was recorded as we find it; an empty directory is nothing.

    `pending_change`: what is in the way will have gone by then, with packages.
    """
    links = Links({}, [], [])
    for path in sorted({*wanted, *recorded}):
        place = Path(path)
        now = str(place.readlink()) if place.is_symlink() else None
        ours = now is not None and now in {recorded.get(path), wanted.get(path)}
        if path not in wanted:
            if ours:
                links.remove.append(path)
        elif now == wanted[path]:
            continue
        elif ours or pending_change or _free(place):
            links.make[path] = wanted[path]
        else:
            links.kept.append(path)
    return links


def _free(place: Path) -> bool:
    """Whether nothing is there that anybody could miss."""
    if place.is_symlink():
        return False
    return not place.exists() or (place.is_dir() and not any(place.iterdir()))
