"""A Pulumi program that declares the commands which `commands.json` beside it describes; the test writes that file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
from pulumi_command import local


def value(described: Any) -> Any:
    """What is described: `{"secret": ...}`, `{"repeat": [text, times]}`, `{"stdout_of": name}`, or the value."""
    if isinstance(described, dict) and set(described) == {"secret"}:
        return pulumi.Output.secret(described["secret"])
    if isinstance(described, dict) and set(described) == {"repeat"}:
        text, times = described["repeat"]
        return text * times
    if isinstance(described, dict) and set(described) == {"stdout_of"}:
        return declared[described["stdout_of"]].stdout
    if isinstance(described, dict):
        return {key: value(item) for key, item in described.items()}
    return described


declared: dict[str, local.Command] = {}
for name, arguments in json.loads(Path("commands.json").read_text()).items():
    declared[name] = local.Command(name, **{key: value(item) for key, item in arguments.items()})
    if name != "large":
        pulumi.export(name, declared[name].stdout)
