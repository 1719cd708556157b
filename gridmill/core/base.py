"""What every part of the model shares: frozen, no unknown keys, camelCase in the file, patterns of names."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gridmill.core.errors import printable


class Part(BaseModel):
    """A part of the stack definition: frozen, unknown keys are errors, nothing is converted silently."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


IN_WORDS: dict[str, str] = {}
"""What a pattern asks for, in words and with an example: people are told this instead of the pattern."""


def text(pattern: str, expected: str, max_length: int | None = None) -> StringConstraints:
    """Text that matches a pattern, which says in words what is `expected`."""
    if IN_WORDS.setdefault(pattern, expected) != expected:
        raise ValueError(f"two texts for {pattern}")
    return StringConstraints(pattern=pattern, max_length=max_length)


WORDS_WITH_HYPHENS = r"^[a-z](-?[a-z0-9])*$"
PLAIN_KEY = "lower-case letters, digits and single hyphens, starting with a letter, such as pod-a"

PLAIN_TEXT = r"^[A-Za-z0-9 .,:;()/+_@#-]{1,100}$"
"""Text that Slurm and its files can carry: no quotes, `=` or `|`."""
PLAIN_SENTENCE = "up to 100 letters, digits, spaces and . , : ; ( ) / + _ @ # -, such as `fan 3 replaced, ticket 118`"

LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""One label of a DNS name in lower case (RFC 1035: up to 63 characters)."""

SiteName = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Name of a site: also the Slurm cluster's name."""

PodKey = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Key of a pod; the first part of its nodes' names."""

RackKey = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 12)]
"""Key of a rack inside its pod; the second part of its nodes' names."""

GroupKey = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Key of a group of equal nodes, such as `gpu`; the same key in two pods means the same group."""

SkuId = Annotated[
    str, text(r"^[a-z0-9](-?[a-z0-9])*$", "lower-case letters, digits and single hyphens, such as dgx-h100", 40)
]
"""Identifier of a SKU in the catalogue; also its file's name."""

DomainName = Annotated[
    str,
    text(rf"^{LABEL}(\.{LABEL})+$", "a domain of at least two lower-case labels, such as ems1.example", 190),
]
"""A DNS domain in lower case with at least two labels."""

UserName = Annotated[
    str,
    text(
        r"^[a-z_][a-z0-9_-]{0,30}$", "a login or group name: up to 31 lower-case letters, digits, - and _, such as anna"
    ),
]
"""A POSIX login name as `useradd` of Debian accepts it."""

PartitionName = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 32)]
"""Name of a Slurm partition."""

INVISIBLE = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, and what hides text or turns its direction, as a class of characters."""

LineText = Annotated[str, text(rf"^[^{INVISIBLE}]+$", "one line of text without invisible characters", 200)]
"""One line of text for people, without characters that nobody sees."""


FilePath = Annotated[
    str,
    text(
        r"^(~|\{state\})?/[A-Za-z0-9._/@+-]+$",
        "an absolute path, or one below ~ or {state}, such as ~/.ssh/id_ed25519",
        200,
    ),
]
"""A file on the machine that runs Pulumi: absolute, below `~`, or below `{state}`, Gridmill's state directory."""


def parse_address(value: Any) -> str:
    """An IPv4 or IPv6 address as text, in its usual form and without a zone."""
    text = value if isinstance(value, str) and "%" not in value else ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        context = {"found": printable(value), "expected": "an address such as 10.40.0.53 or fd4a::53", "hint": ""}
        raise PydanticCustomError("address", "{found} is not an address", context) from None


Address = Annotated[str, BeforeValidator(parse_address)]


VolumeKey = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 24)]
"""Key of a volume, such as `home`."""
