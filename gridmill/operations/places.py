"""Where things lie: what Gridmill brings along, in a checkout or an installed wheel, and the project with the sites.

A wheel carries playbooks, configuration of Ansible and the lock inside of the package `gridmill`; in a checkout these
stand beside it. Either way they keep their names below one directory, so that digests over them are the same.
"""

from __future__ import annotations

from pathlib import Path

from gridmill.operations.errors import OperationError

PACKAGE = Path(__file__).resolve().parents[1]
LIBRARY = PACKAGE.parent
"""What has to be on the module path of a process that imports `gridmill`."""
INSTALLED = (PACKAGE / "playbooks").is_dir()
"""Whether this is an installed wheel, and no checkout."""
TOOLKIT = PACKAGE if INSTALLED else LIBRARY
"""Directory of playbooks/, components/, policy/, ci/, ansible.cfg and requirements.txt."""
PLAYBOOKS = TOOLKIT / "playbooks"
ANSIBLE_CONFIG = TOOLKIT / "ansible.cfg"
LAB_PASSPHRASE = PACKAGE / "lab" / "passphrase"
"""Public, and only for the virtual site."""
PROJECT_FILE = "Pulumi.yaml"


def find_project(start: Path | None = None) -> Path | None:
    """The Pulumi project that somebody works in: the nearest directory with a Pulumi.yaml, from here upward. A checkout
    is one itself, for whoever stands outside of any. None where there is none."""
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if (directory / PROJECT_FILE).is_file():
            return directory
    return None if INSTALLED else TOOLKIT


def project(start: Path | None = None) -> Path:
    """The same; OperationError where there is none."""
    found = find_project(start)
    if found is None:
        raise OperationError(
            f"no {PROJECT_FILE} here or in a directory above: go to your project, or make one with `gridmill new DIR`"
        )
    return found


def stack_file(stack: str) -> Path:
    """The definition of a site in the project."""
    return project() / f"Pulumi.{stack}.yaml"
