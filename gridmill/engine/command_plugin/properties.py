"""Property values as they travel between engine and plugin: plain JSON, secrets and unknowns marked.

A secret stays in its wire form, an object with a signature, so that handing an input back as an output keeps
it secret without any bookkeeping. Only `reveal` opens it, right before a command runs.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format, struct_pb2  # type: ignore[import-untyped]

SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the protocol's public marker
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine sends, and takes, for a value that is not known yet."""


def decode(properties: struct_pb2.Struct) -> dict[str, Any]:
    """Plain values of a message; secrets and unknowns keep their wire form."""
    values: dict[str, Any] = json_format.MessageToDict(properties)
    return values


def encode(values: dict[str, Any]) -> struct_pb2.Struct:
    """Message for plain values; the opposite of `decode`."""
    message = struct_pb2.Struct()
    message.update(values)
    return message


def is_secret(value: object) -> bool:
    """Whether this very value (not something inside it) is a secret."""
    return isinstance(value, dict) and value.get(SIGNATURE_KEY) == SECRET_SIGNATURE


def reveal(value: Any) -> Any:
    """The value without any secret marks, at any depth."""
    if is_secret(value):
        return reveal(value.get("value"))
    if isinstance(value, dict):
        return {key: reveal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [reveal(item) for item in value]
    return value


def is_unknown(value: object) -> bool:
    """Whether the value, or anything inside it, is not known yet."""
    plain = reveal(value)
    if isinstance(plain, dict):
        return any(is_unknown(item) for item in plain.values())
    if isinstance(plain, list):
        return any(is_unknown(item) for item in plain)
    return bool(plain == UNKNOWN)
