"""Set-up of a checkout: `python3 tools/setup.py`. Everything that `make lab` and `make test` need, in one go.

1. system packages, installed as root, or named with the command that installs them
2. the virtual environment .venv, from the locked requirements with hashes
3. the Pulumi engine and the command plugin
4. the commands `gridmill` and `lab` in .venv/bin

A second run is quick; a killed one can be repeated. Runs on any Python >= 3.11 without packages.
"""

from __future__ import annotations

import sys
from pathlib import Path

MINIMUM_PYTHON = (3, 11)
if sys.version_info < MINIMUM_PYTHON:
    sys.exit(f"setup: Python {sys.version_info.major}.{sys.version_info.minor} is too old, 3.11 is needed")

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from gridmill.engine.ensure import ensure_engine
from gridmill.engine.errors import SetupError
from gridmill.engine.plugin import ensure_plugin
from tools.project_setup.launchers import write_launchers
from tools.project_setup.system_packages import ensure_system_packages
from tools.project_setup.virtual_environment import ensure_virtual_environment


def main() -> int:
    """Do all of it; exit status 1 when something is missing that cannot be got."""
    try:
        ensure_system_packages()
        ensure_virtual_environment()
        ensure_plugin(ensure_engine())
        write_launchers()
    except SetupError as error:
        sys.stderr.write(f"setup: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
