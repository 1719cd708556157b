"""Versions, and where packages come from, as text that is checked; stack and catalogue both use them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import text
from gridmill.core.errors import printable

Version = Annotated[str, text(r"^[0-9]+(\.[0-9]+){1,3}$", 'a version number in quotes, such as "24.11"', 24)]
"""A version number in quotes, such as "24.11"."""


SourceUrl = Annotated[
    str,
    text(
        r"^https?://[a-z0-9](-?[a-z0-9])*(\.[a-z0-9](-?[a-z0-9])*)*(:[0-9]{1,5})?(/[A-Za-z0-9._~+-]+)*/?$",
        "an address with https:// or http:// and without login or query, such as https://packages.ems1.example/nvidia",
        200,
    ),
]
"""Address of a package repository, without a login. Signatures are checked whichever way the packages come."""


OriginName = Annotated[
    str, text(r"^[A-Za-z0-9]([ ._+-]?[A-Za-z0-9])*$", "`Origin` of a Release file, such as NVIDIA", 60)
]
"""`Origin` in a Release file, such as `NVIDIA`."""


_FINGERPRINT = re.compile(r"[0-9A-F]{40}")


def parse_fingerprint(value: Any) -> str:
    """The fingerprint of an OpenPGP key (version 4) as 40 digits; spaces as gpg prints them are fine."""
    text = value.replace(" ", "").upper() if isinstance(value, str) else ""
    if not _FINGERPRINT.fullmatch(text):
        expected = "40 hexadecimal digits: the whole fingerprint, as its owner publishes it"
        raise PydanticCustomError(
            "fingerprint", "{found} is not a fingerprint", {"found": printable(value), "expected": expected, "hint": ""}
        )
    return text


Fingerprint = Annotated[
    str,
    BeforeValidator(parse_fingerprint),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f ]{40,50}$"}, mode="validation"),
]
