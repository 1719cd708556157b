"""Which host key every machine is known by: part of a site's inputs, since a replaced machine has another one."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterator

_PREFERENCE = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
_FIELDS = 3
_HASHED = 4
"""Parts of a hashed name, `|1|salt|hash`."""


def fingerprints(known_hosts: str) -> dict[str, str]:
    """Fingerprint (`SHA256:…`, as ssh-keygen prints it) by name or address, from the text of a known_hosts file.

    Where a host has keys of several types, the preferred type counts. Lines with a marker (`@cert-authority`), hashed
    names or patterns name no single machine and are left out.
    """
    found: dict[str, tuple[int, str]] = {}
    for line in known_hosts.splitlines():
        fields = line.split()
        if len(fields) < _FIELDS or fields[0].startswith(("#", "@", "|")) or fields[1] not in _PREFERENCE:
            continue
        try:
            key = base64.b64decode(fields[2], validate=True)
        except binascii.Error:
            continue
        rank = _PREFERENCE.index(fields[1])
        digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
        for name in fields[0].split(","):
            plain = _bare(name)
            if not set(plain) & set("*?!") and rank < found.get(plain, (len(_PREFERENCE), ""))[0]:
                found[plain] = (rank, f"SHA256:{digest}")
    return {name: digest for name, (_, digest) in found.items()}


class KnownHosts:
    """Who is in a known_hosts file (sshd(8)): by name, by pattern, hashed, or by a certificate authority."""

    def __init__(self, text: str) -> None:
        """Read the text of the file; lines that say nothing are left out."""
        self._plain: set[str] = set()
        self._patterns: list[list[str]] = []
        self._hashed: list[tuple[bytes, bytes]] = []
        for names in _names(text):
            if names.startswith("|"):
                self._hashed += _hashed(names)
            elif set(names) & set("*?!"):
                self._patterns.append(names.split(","))
            else:
                self._plain |= {_bare(name) for name in names.split(",")}

    def knows(self, name: str) -> bool:
        """Whether the key of a machine of this name or address can be checked."""
        return (
            name in self._plain
            or any(_matches(name, patterns) for patterns in self._patterns)
            or any(hmac.digest(salt, name.encode(), "sha1") == digest for salt, digest in self._hashed)
        )


def _names(text: str) -> Iterator[str]:
    for line in text.splitlines():
        fields = line.split()
        if fields and fields[0] == "@cert-authority":
            fields = fields[1:]
        if len(fields) >= _FIELDS and not fields[0].startswith(("#", "@")):
            yield fields[0]


def _hashed(names: str) -> Iterator[tuple[bytes, bytes]]:
    parts = names.split("|")
    if len(parts) == _HASHED and parts[1] == "1":
        try:
            yield base64.b64decode(parts[2], validate=True), base64.b64decode(parts[3], validate=True)
        except binascii.Error:
            return


def _bare(name: str) -> str:
    return name.strip("[]").removesuffix("]:22")


def _matches(name: str, patterns: list[str]) -> bool:
    """A pattern with `!` that matches refuses the name, whatever the others say."""
    if any(pattern.startswith("!") and fnmatch.fnmatchcase(name, pattern[1:]) for pattern in patterns):
        return False
    return any(fnmatch.fnmatchcase(name, _bare(pattern)) for pattern in patterns if not pattern.startswith("!"))
