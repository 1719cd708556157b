"""The inputs of a command: which there are, what is wrong with them, and the invocation they ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from .process import Invocation
from .properties import is_unknown, reveal

COMMON_INPUTS: Final[dict[str, type]] = {
    "stdin": str,
    "logging": str,
    "interpreter": list,
    "dir": str,
    "environment": dict,
    "addPreviousOutputInEnv": bool,
}
RESOURCE_INPUTS: Final = COMMON_INPUTS | {"create": str, "update": str, "delete": str, "triggers": list}
FUNCTION_INPUTS: Final = COMMON_INPUTS | {"command": str}
OFFICIAL_ONLY: Final = ("assetPaths", "archivePaths")
LOGGING: Final = ("stdout", "stderr", "stdoutAndStderr", "none")

_TYPE_NAMES: Final = {str: "a string", list: "a list", dict: "an object", bool: "a boolean"}


def problems(inputs: Mapping[str, Any], known: Mapping[str, type]) -> list[tuple[str, str]]:
    """What is wrong, as (property, reason); empty if nothing is. Values that are not known yet pass."""
    found: list[tuple[str, str]] = []
    for name, value in inputs.items():
        if is_unknown(value):
            continue
        plain = reveal(value)
        if name in OFFICIAL_ONLY:
            found.append(
                (
                    name,
                    "not supported by the stand-in for the pulumi-command plugin; the official plugin has it",
                )
            )
        elif name not in known:
            found.append((name, f"not a known property; known are {', '.join(sorted(known))}"))
        elif not isinstance(plain, known[name]):
            found.append((name, f"expected {_TYPE_NAMES[known[name]]}"))
        elif name == "logging" and plain not in LOGGING:
            found.append((name, f"expected one of {', '.join(LOGGING)}"))
        else:
            found += _item_problems(name, plain)
    return found


def _item_problems(name: str, value: object) -> list[tuple[str, str]]:
    items: list[tuple[str, object]] = []
    if name == "environment" and isinstance(value, dict):
        items = [(f"environment.{key}", item) for key, item in value.items()]
    elif name == "interpreter" and isinstance(value, list):
        items = [(f"interpreter[{index}]", item) for index, item in enumerate(value)]
    return [(path, "expected a string") for path, item in items if not isinstance(item, str)]


def invocation(command: str, inputs: Mapping[str, Any], previous: Mapping[str, Any]) -> Invocation:
    """The run that checked `inputs` ask for; `previous` holds `stdout` and `stderr` of the run before."""
    plain = {name: reveal(value) for name, value in inputs.items()}
    environment = dict(plain.get("environment") or {})
    if plain.get("addPreviousOutputInEnv", True):
        for stream in ("stdout", "stderr"):
            if text := reveal(previous.get(stream)):
                environment[f"PULUMI_COMMAND_{stream.upper()}"] = text
    logging = plain.get("logging", "stdoutAndStderr")
    return Invocation(
        command=command,
        interpreter=tuple(plain.get("interpreter") or ("/bin/sh", "-c")),
        directory=plain.get("dir"),
        environment=environment,
        stdin=plain.get("stdin") or "",
        log_stdout=logging in ("stdout", "stdoutAndStderr"),
        log_stderr=logging in ("stderr", "stdoutAndStderr"),
    )
