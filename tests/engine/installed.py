"""Gridmill as its wheel lays it out, components inside, for programs that are no part of the checkout.

The runner is a stand-in, so that no machine is contacted.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from benchmarks.preview import STAND_IN
from tests.conftest import ROOT

HIDDEN = shutil.ignore_patterns("__pycache__")


def install(directory: Path, runner: str = STAND_IN) -> Path:
    """Lay the package out in `directory`; its plugin is `bin/pulumi-resource-gridmill`, which is returned."""
    packages = directory / "packages"
    shutil.copytree(ROOT / "gridmill", packages / "gridmill", ignore=HIDDEN)
    shutil.copytree(ROOT / "components", packages / "gridmill" / "components", ignore=HIDDEN)
    shutil.copytree(ROOT / "playbooks", packages / "playbooks", ignore=HIDDEN)
    shutil.copy2(ROOT / "ansible.cfg", packages)
    (packages / "gridmill" / "operations" / "converge.py").write_text(runner, encoding="utf-8")
    plugin = directory / "bin" / "pulumi-resource-gridmill"
    plugin.parent.mkdir()
    plugin.write_text(
        f"#!{Path(sys.prefix) / 'bin' / 'python'}\nimport sys\nsys.path.insert(0, {str(packages)!r})\n"
        "from gridmill.components.provider import main\nsys.exit(main())\n",
        encoding="utf-8",
    )
    plugin.chmod(0o755)
    return plugin
