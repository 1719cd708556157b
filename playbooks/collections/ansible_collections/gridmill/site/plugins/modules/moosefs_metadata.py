#!/usr/bin/python
"""Ansible module: empty metadata for a new MooseFS, and never for one that holds data."""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: moosefs_metadata
short_description: Begins a MooseFS with empty metadata
description:
  - Does nothing where there are metadata or change logs of any age.
  - Fails where there are none, and one of O(chunks) holds chunks already - with empty metadata the master would have
    them deleted.
options:
  directory:
    description: Where the master keeps metadata.
    type: path
    required: true
  chunks:
    description: Directories of chunks on this node.
    type: list
    elements: path
    default: []
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Begin with empty metadata
  gridmill.site.moosefs_metadata:
    directory: /var/lib/mfs
"""

RETURN = r"""
created:
  description: Whether empty metadata were put in place.
  returned: always
  type: bool
"""

EMPTY = "metadata.mfs.empty"


def traces(directory: Path) -> list[str]:
    """Files that show that there are, or were, metadata."""
    found = [*directory.glob("metadata.mfs*"), *directory.glob("metadata_ml.mfs*"), *directory.glob("changelog*.mfs")]
    return sorted(path.name for path in found if path.name != EMPTY)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "chunks": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["directory"])
    if traces(directory):
        module.exit_json(changed=False, created=False)
    held = [path for path in module.params["chunks"] if next(Path(path).glob("*/chunk_*"), None)]
    if held:
        module.fail_json(
            msg=f"{', '.join(held)} holds chunks, and {directory} no metadata for them: bring metadata.mfs back from "
            "a backup or another node's metalogger; with empty metadata the chunks would be deleted"
        )
    if not module.check_mode:
        new = directory / "metadata.mfs.new"
        shutil.copyfile(directory / EMPTY, new)
        shutil.chown(new, "mfs", "mfs")
        new.replace(directory / "metadata.mfs")
    module.exit_json(changed=True, created=True)


if __name__ == "__main__":
    main()
