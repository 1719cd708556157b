"""What is pinned, and where it is kept: nothing here runs or writes anything."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gridmill.operations.directories import cache_directory, state_directory

HERE = Path(__file__).resolve().parent
GO = HERE / "go"
"""Go modules that pin what an engine is built from."""

ENGINE_VERSION = (3, 259, 0)
ENGINE_VERSION_TEXT = ".".join(map(str, ENGINE_VERSION))
PLUGIN_VERSION = "1.2.1"
"""Version of the command plugin that the locked pulumi-command asks for."""

ENGINE_EXECUTABLES = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-language-python-exec",
    "pulumi-resource-pulumi-python",
)
"""What has to stand in one directory for Python programs to run."""

GO_MODULES = (GO / "language-python", GO / "pulumi")


def engine_pin() -> str:
    """Name of the pinned engine: its version and a digest of the Go modules that build it."""
    digest = hashlib.sha256()
    for module in GO_MODULES:
        for name in ("go.mod", "go.sum"):
            digest.update((module / name).read_bytes())
    return f"{ENGINE_VERSION_TEXT}-{digest.hexdigest()[:12]}"


def engines_directory() -> Path:
    """Directory of all engines we set up, one sub-directory per pin."""
    return cache_directory() / "engine"


def own_engine() -> Path:
    """The `bin` directory of the pinned engine, whether it is there or not."""
    return engines_directory() / engine_pin() / "bin"


def own_pulumi_home() -> Path:
    """PULUMI_HOME (plugins) for the engine we set up."""
    return cache_directory() / "pulumi-home"


def backend_directory() -> Path:
    """Directory of the file backend: the stacks' state."""
    return state_directory() / "pulumi"
