"""What every part of the model shares: frozen, no unknown keys, camelCase in the file, patterns of names."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


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


LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""One label of a DNS name in lower case (RFC 1035: up to 63 characters)."""

SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=24)]
"""Name of a site: also the Slurm cluster's name."""

PodKey = Annotated[str, StringConstraints(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=24)]
"""Key of a pod; the first part of its nodes' names."""

RackKey = Annotated[str, StringConstraints(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=12)]
"""Key of a rack inside its pod; the second part of its nodes' names."""

GroupKey = Annotated[str, StringConstraints(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=24)]
"""Key of a group of equal nodes, such as `gpu`; the same key in two pods means the same group."""

SkuId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=40)]
"""Identifier of a SKU in the catalogue; also its file's name."""

DomainName = Annotated[
    str,
    StringConstraints(pattern=rf"^{LABEL}(\.{LABEL})+$", max_length=190),
]
"""A DNS domain in lower case with at least two labels."""

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,30}$")]
"""A POSIX login name as `useradd` of Debian accepts it."""

PartitionName = Annotated[str, StringConstraints(pattern=r"^[a-z](-?[a-z0-9])*$", max_length=32)]
"""Name of a Slurm partition."""

INVISIBLE = r"\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
"""Control characters, and what hides text or turns its direction, as a class of characters."""

LineText = Annotated[str, StringConstraints(pattern=rf"^[^{INVISIBLE}]+$", max_length=200)]
"""One line of text for people, without characters that nobody sees."""
