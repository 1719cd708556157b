"""OpenPGP public keys: which key a file holds, told by its fingerprint.

The collection has a link to this file, as machines have nothing of this package: standard library only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator


class NoKeyError(ValueError):
    """The text is not one public key; the message says what it is, and never quotes it."""


_BLOCK = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?P<headers>(?:[A-Za-z]+: [^\n]*\n)*)[ \t]*\r?\n"
    r"(?P<body>[A-Za-z0-9+/=\s]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\s*-----END PGP PUBLIC KEY BLOCK-----"
)
_PUBLIC, _SECRET = 6, frozenset({5, 7})
_LINE = 64


def fingerprint(armored: str) -> str:
    """Fingerprint of the one primary key in the text: 40 digits. NoKeyError for none, several, or a secret one."""
    return _primary(_binary(armored))


def normalised(armored: str) -> str:
    """The same key in ASCII armor with nothing around it, so that what was looked at is what gets used."""
    key = _binary(armored)
    _primary(key)
    text = base64.b64encode(key).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join(["-----BEGIN PGP PUBLIC KEY BLOCK-----", "", *lines, "-----END PGP PUBLIC KEY BLOCK-----", ""])


def _binary(armored: str) -> bytes:
    if "PRIVATE KEY" in armored:
        raise NoKeyError("a private key")
    blocks = list(_BLOCK.finditer(armored))
    if len(blocks) != 1:
        raise NoKeyError("several keys" if blocks else "no OpenPGP public key in ASCII armor")
    try:
        return base64.b64decode("".join(blocks[0]["body"].split()), validate=True)
    except binascii.Error:
        raise NoKeyError("no OpenPGP public key in ASCII armor: not base64") from None


def _primary(key: bytes) -> str:
    found = []
    for tag, body in _packets(key):
        if tag in _SECRET:
            raise NoKeyError("a private key")
        if tag == _PUBLIC:
            if body[:1] != b"\x04":
                raise NoKeyError("a key that is not of version 4")
            found.append(hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest())
    if len(found) != 1:
        raise NoKeyError("several keys" if found else "no OpenPGP public key")
    return found[0].upper()


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of every packet (RFC 9580, section 4.2); lengths that keys never have are refused."""
    position = 0
    while position < len(data):
        first, position = data[position], position + 1
        if not first & 0x80:
            raise NoKeyError("no OpenPGP data")
        if first & 0x40:
            tag, (length, size) = first & 0x3F, _new_length(data[position : position + 5])
        else:
            size = {0: 1, 1: 2, 2: 4}.get(first & 3, 0)
            tag, length = first >> 2 & 0x0F, int.from_bytes(data[position : position + size], "big")
        position += size
        if not size or position + length > len(data):
            raise NoKeyError("a key that is cut off")
        yield tag, data[position : position + length]
        position += length


def _new_length(octets: bytes) -> tuple[int, int]:
    """Length of a body, and the octets that it was said in; 0 octets for one that is not known beforehand."""
    match list(octets):
        case [one, *_] if one < 192:  # noqa: PLR2004
            return one, 1
        case [one, two, *_] if one < 224:  # noqa: PLR2004
            return (one - 192 << 8) + two + 192, 2
        case [255, *rest] if len(rest) == 4:  # noqa: PLR2004
            return int.from_bytes(octets[1:5], "big"), 5
    return 0, 0
