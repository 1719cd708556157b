"""The playbooks as they are in this checkout."""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def playbook_digest(root: Path = ROOT) -> str:
    """SHA-256 over the names and contents of everything that Ansible runs; part of the phase's inputs."""
    digest = hashlib.sha256()
    files = [root / "ansible.cfg", *sorted((root / "playbooks").rglob("*"))]
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()[:32]
