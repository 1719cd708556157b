"""The package schema, for tools that ask the plugin for it; it says that this is a stand-in."""

from __future__ import annotations

import json
from typing import Any

_STRINGS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_COMMON: dict[str, Any] = {
    "stdin": {"type": "string"},
    "logging": {"type": "string"},
    "interpreter": _STRINGS,
    "dir": {"type": "string"},
    "environment": {"type": "object", "additionalProperties": {"type": "string"}},
    "addPreviousOutputInEnv": {"type": "boolean"},
}
_INPUTS: dict[str, Any] = _COMMON | {
    "create": {"type": "string"},
    "update": {"type": "string"},
    "delete": {"type": "string"},
    "triggers": {"type": "array", "items": {"$ref": "pulumi.json#/Any"}, "replaceOnChanges": True},
}
_OUTPUTS: dict[str, Any] = {"stdout": {"type": "string"}, "stderr": {"type": "string"}}
_FUNCTION: dict[str, Any] = _COMMON | {"command": {"type": "string"}}

SCHEMA = json.dumps(
    {
        "name": "command",
        "version": "1.2.1",
        "description": "A stand-in for the pulumi-command plugin, for machines that cannot download "
        "the official one: local.Command and local.run only.",
        "resources": {
            "command:local:Command": {
                "properties": _INPUTS | _OUTPUTS,
                "required": ["stdout", "stderr"],
                "inputProperties": _INPUTS,
            }
        },
        "functions": {
            "command:local:run": {
                "inputs": {"properties": _FUNCTION, "required": ["command"]},
                "outputs": {"properties": _FUNCTION | _OUTPUTS, "required": ["command", "stdout", "stderr"]},
            }
        },
    }
)
