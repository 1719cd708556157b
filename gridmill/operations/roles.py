"""Where roles stand: in Gridmill's collection, or with a feature from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridmill.operations.errors import OperationError
from gridmill.operations.places import find_project
from gridmill.operations.playbooks import ROLES
from gridmill.registry import features


def role_directory(name: str, feature: str = "") -> Path:
    """The folder of a role; `feature` names the one from elsewhere that brings it.

    OperationError where it is not, since a document may come from another checkout than the one that runs it.
    """
    directory = foreign_roles(feature) / name if feature else ROLES / name
    if not (directory / "tasks").is_dir():
        origin = f"feature {feature}" if feature else "Gridmill"
        raise OperationError(f"role {name} of {origin} is not here; run this where the site was planned")
    return directory


def foreign_roles(feature: str) -> Path:
    """The folder of roles of a feature from elsewhere. OperationError where no such feature is known."""
    directory = next((one.directory for one in features(find_project()) if one.name == feature), None)
    if directory is None:
        raise OperationError(f"feature {feature} is not here; put its folder beside the stack, or install its package")
    return directory / "roles"


def role_paths(document: Mapping[str, Any]) -> list[Path]:
    """Folders of roles that a document needs beside Gridmill's own."""
    named = {str(one["feature"]): None for one in document.get("roles", ()) if "feature" in one}
    return [foreign_roles(feature) for feature in named]
