"""Secrets that stand where they must not: inside the site object, in the clear or encrypted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gridmill.core.errors import Path, Problem

BESIDE = "`pulumi config set --secret NAME`, which puts it beside the site object"
"""How a secret comes into a stack."""

SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|secret|token|credential|(private|api|auth|munge)_?key|hash$", re.IGNORECASE
)
"""Names of keys that someone may think of for a secret."""

_PASSWORD_HASH = re.compile(r"\$(y|gy|7|6|5|2[abxy]|1|argon2id?|scrypt)\$")
"""How hashes of passwords start (crypt(5)); none of them is a value of the model."""


def secret_problems(data: Any) -> Iterator[Problem]:
    """Private keys, hashes of passwords, and values that Pulumi encrypted, wherever they stand; none is shown."""
    rest: list[tuple[Path, Any]] = [((), data)]
    while rest:
        path, value = rest.pop()
        if isinstance(value, dict):
            if list(value) == ["secure"]:
                yield Problem(path, "a secret inside the site object", "nothing secret in it", f"remove it; {BESIDE}")
            rest += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            rest += [((*path, position), item) for position, item in enumerate(value)]
        elif isinstance(value, str):
            if "PRIVATE KEY" in value:
                hint = "remove it, make a new pair, and put only the .pub file's line where a key is wanted"
                yield Problem(path, "this is a private key", "nothing secret in the site object", hint)
            elif _PASSWORD_HASH.match(value):
                yield Problem(path, "this is the hash of a password", "nothing secret in the site object", BESIDE)
