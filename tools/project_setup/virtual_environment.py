"""The checkout's virtual environment, from the locked requirements with hashes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gridmill.engine.progress import run, step
from gridmill.operations.places import TOOLKIT as CHECKOUT

DIRECTORY = CHECKOUT / ".venv"
LOCK = CHECKOUT / "requirements-dev.txt"
STAMP = DIRECTORY / "gridmill-lock"
"""Holds the digest of what the environment was made from; written last, so that half an environment has none."""


def ensure_virtual_environment() -> None:
    """Make or renew .venv when lock file, Python or place changed. SetupError with pip's last lines when it fails."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode() + str(DIRECTORY).encode()).hexdigest()
    python = DIRECTORY / "bin" / "python"
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == digest and _runs(python):
        return
    with tempfile.TemporaryDirectory(prefix="gridmill-setup-") as directory, step("virtual environment"):
        log = Path(directory) / "pip.log"
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(DIRECTORY)], environment=dict(os.environ), log=log)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        run([str(python), *install, "--requirement", str(LOCK)], environment=dict(os.environ), log=log)
        STAMP.write_text(digest, encoding="utf-8")


def _runs(python: Path) -> bool:
    """Whether the environment's Python still starts (its base may have been removed)."""
    if not python.exists():
        return False
    return subprocess.run([python, "-c", "import pulumi"], capture_output=True, check=False).returncode == 0
