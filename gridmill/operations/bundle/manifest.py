"""A host's bundle: the signed manifest, and the objects that it names."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmill.operations.bundle.ansible_internals import VERSION
from gridmill.operations.bundle.code import Object
from gridmill.operations.bundle.steps import HostSteps

SCHEMA = "gridmill.bundle/v1"
NAMESPACE = "gridmill-bundle"


class SigningError(Exception):
    """The key that logs in cannot sign."""


@dataclass(frozen=True)
class Bundle:
    """What goes to one host."""

    host: str
    run: str
    manifest: str
    code: list[Object]
    contents: list[Object]


def bundle_of(host: str, steps: HostSteps, code: list[Object], *, name: str, run: str, token: int) -> Bundle:
    """The bundle of a host; `token` is the number of the run's lease."""
    manifest: dict[str, Any] = {
        "schema": SCHEMA, "name": name, "run": run, "host": host, "token": token, "ansible": VERSION,
        "code": [one.digest for one in code], "contents": sorted(steps.contents),
        "skipped": steps.skipped, "steps": steps.plain(),
    }  # fmt: skip
    contents = [Object(digest, content) for digest, content in sorted(steps.contents.items())]
    return Bundle(host, run, json.dumps(manifest), code, contents)


def signed(manifest: str, identity: Path) -> str:
    """The signature of a manifest by the key that logs in (an agent may hold it). SigningError when it cannot."""
    command = ["ssh-keygen", "-Y", "sign", "-f", str(identity), "-n", NAMESPACE]
    done = subprocess.run(command, input=manifest, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SigningError(f"{identity.name} cannot sign what goes to the machines: {done.stderr.strip()}")
    return done.stdout
