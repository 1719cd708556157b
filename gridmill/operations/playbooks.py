"""The collection with roles and modules, and digests of files, which must not move unseen."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from gridmill.operations.places import PLAYBOOKS, TOOLKIT

COLLECTION = "gridmill.site"
"""Name of the collection that holds roles, modules and what these share."""
PLACE = Path("collections", "ansible_collections", *COLLECTION.split("."))
"""Where it stands below the playbooks."""
SITE = PLAYBOOKS / PLACE
ROLES = SITE / "roles"


def playbook_digest(root: Path = TOOLKIT) -> str:
    """SHA-256 over the names and contents of everything that Ansible runs; part of the phase's inputs."""
    return tree_digest([root / "ansible.cfg", root / "playbooks"], root)


def tree_digest(paths: Iterable[Path], root: Path) -> str:
    """SHA-256 (32 digits) over the names and contents of these files, and of all files in these directories."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:32]
