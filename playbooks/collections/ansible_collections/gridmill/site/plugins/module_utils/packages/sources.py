"""Package sources as files: pure functions from what is wanted to what stands below /etc/apt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.packages.openpgp import NoKeyError, fingerprint, normalised

PREFIX = "gridmill-source-"
"""Begins the name of every file of ours; files with other names are never touched."""
KEYS, SOURCES, PREFERENCES = "keyrings", "sources.list.d", "preferences.d"
DIRECTORIES = (KEYS, SOURCES, PREFERENCES)

MEANT, OTHER = 600, -1
"""APT priorities: what a source is meant for comes before the operating system's (500), all else never comes."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_LINE = re.compile(r"[!-~]+( [!-~]+)*")


def problems(wanted: dict[str, dict[str, Any]]) -> list[str]:
    """What forbids to use a source: above all a key that is not the one that its fingerprint names."""
    found = []
    for name, source in wanted.items():
        texts = [source["url"], source["origin"], *source["suites"], *source["components"], *source["packages"]]
        if not _NAME.fullmatch(name) or not all(_LINE.fullmatch(str(text)) for text in texts):
            found.append(f"{name!r}: a name or a value that cannot stand on a line of its own")
        try:
            key = fingerprint(source["key"])
        except NoKeyError as error:
            found.append(f"{name}: its key is {error}")
            continue
        if key != source["fingerprint"]:
            found.append(f"{name}: its key is {key}, and not {source['fingerprint']}")
    return found


def files(wanted: dict[str, dict[str, Any]], root: str) -> dict[str, str]:
    """Text by path for all sources, keys first, so that a source is never there without its key."""
    keyring = {name: f"{root}/{KEYS}/{PREFIX}{name}.asc" for name in wanted}
    texts = {keyring[name]: normalised(source["key"]) for name, source in wanted.items()}
    texts |= {
        f"{root}/{PREFERENCES}/{PREFIX}{name}": _preferences(source)
        for name, source in wanted.items()
        if source["packages"]
    }
    return texts | {source_file(root, name): _stanza(source, keyring[name]) for name, source in wanted.items()}


def source_file(root: str, name: str) -> str:
    """Path of a source's definition."""
    return f"{root}/{SOURCES}/{PREFIX}{name}.sources"


def stale(present: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Our files that no source needs any more, definitions first, so that none is left without its key."""
    found = set(present) - set(wanted)
    return sorted(found, key=lambda path: (f"/{SOURCES}/" not in path, path))


def _stanza(source: dict[str, Any], keyring: str) -> str:
    lines = [
        "# Written by Gridmill.",
        "Types: deb",
        f"URIs: {source['url']}",
        f"Suites: {' '.join(source['suites'])}",
        *([f"Components: {' '.join(source['components'])}"] if source["components"] else []),
        f"Signed-By: {keyring}",
    ]
    return "\n".join(lines) + "\n"


def _preferences(source: dict[str, Any]) -> str:
    pin = f"Pin: release o={source['origin']}"
    return (
        "Explanation: Written by Gridmill. This source gives what it is meant for, and nothing else.\n"
        f"Package: {' '.join(source['packages'])}\n{pin}\nPin-Priority: {MEANT}\n\n"
        f"Package: *\n{pin}\nPin-Priority: {OTHER}\n"
    )
