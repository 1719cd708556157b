"""Backups of what a controller cannot be rebuilt without."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import Part, text
from gridmill.core.errors import printable

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
"""Of the Bech32 checksum (BIP 173), which age's recipients carry."""
_RECIPIENT = re.compile(r"age1[qpzry9x8gf2tvdw0s3jn54khce6mua7l]{58}", re.ASCII)


def parse_recipient(value: Any) -> str:
    """An age recipient whose checksum is right; an identity (the private half) is refused without showing it."""
    expected = "a recipient as `age-keygen` prints it: age1 and 58 more characters"
    if isinstance(value, str) and "AGE-SECRET-KEY" in value.upper():
        raise PydanticCustomError(
            "recipient",
            "this is a private key",
            {"expected": expected, "hint": "remove it, make a new pair with age-keygen, and put its public key here"},
        )
    found = value if isinstance(value, str) else ""
    if not _RECIPIENT.fullmatch(found):
        context = {"found": printable(value, 24), "expected": expected, "hint": "age-keygen -o identity.txt makes one"}
        raise PydanticCustomError("recipient", "{found} is not a recipient", context)
    if not _checksum_holds(found):
        context = {"found": printable(value, 24), "expected": expected, "hint": "copy it again; a character is wrong"}
        raise PydanticCustomError("recipient", "{found} has a wrong checksum", context)
    return found


def _checksum_holds(text: str) -> bool:
    prefix, _, data = text.partition("1")
    values = [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]
    checksum = 1
    for number in values + [_ALPHABET.index(letter) for letter in data]:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ number
        for bit, generator in enumerate(_GENERATOR):
            checksum ^= generator if top >> bit & 1 else 0
    return checksum == 1


Recipient = Annotated[
    str,
    BeforeValidator(parse_recipient),
    WithJsonSchema({"type": "string", "pattern": "^age1[02-9ac-hj-np-z]{58}$"}),
]
"""Public half of an age key pair."""


class Backup(Part):
    """Backups of the controller: accounting, Slurm's state, keys and ledger, encrypted before they reach a disk."""

    recipients: Annotated[list[Recipient], Field(min_length=1)]
    """Public keys that backups are encrypted to. Whoever has one of the private halves can restore; keep them away
    from the site's machines and from this file."""
    at: Annotated[str, text(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", 'a time of day in quotes, such as "02:30"')] = "02:30"
    """When it is made each day, in the site's time zone."""
    keep: Annotated[int, Field(ge=2, le=1000)] = 14
    """Generations that are kept."""
    directory: Annotated[
        str,
        text(
            r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*){2,12}$",
            "an absolute path of at least two parts, such as /var/backups/gridmill",
            200,
        ),
    ] = "/var/backups/gridmill"
    """Where they are kept on the controller: better a volume of another machine."""
    mounted: bool = False
    """Whether `directory` is on a mounted volume, at or right below its mount point; while none is mounted, nothing
    is written."""
    maximum_age_hours: Annotated[int, Field(ge=1, le=1000)] = 36
    """Older than this, the newest backup fails the site's verification."""
