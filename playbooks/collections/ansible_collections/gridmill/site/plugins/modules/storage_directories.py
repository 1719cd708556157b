#!/usr/bin/python
"""Ansible module: directories for data in file systems that exist."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.storage.volumes import not_mounted

DOCUMENTATION = r"""
module: storage_directories
short_description: Makes directories for data in file systems that exist
description:
  - Makes one directory in each of the given ones, and formats, mounts and removes nothing.
  - A directory that must be a mount point and is none, or one of ours that belongs to somebody else, is a failure.
options:
  directories:
    description: Directories of existing file systems.
    type: list
    elements: path
    required: true
  mounted:
    description: Whether each must be a mount point.
    type: bool
    default: false
  below:
    description: Name of the directory to make in each.
    type: str
    required: true
  owner:
    description: User, and group of the same name, that it belongs to.
    type: str
    required: true
  mode:
    description: Its mode, in octal.
    type: str
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make directories for chunks
  gridmill.site.storage_directories:
    directories: [/data/nvme0, /data/nvme1]
    mounted: true
    below: moosefs
    owner: mfs
    mode: "0700"
"""

RETURN = r"""
made:
  description: Directories that were made, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "path", "required": True},
            "mounted": {"type": "bool", "default": False},
            "below": {"type": "str", "required": True},
            "owner": {"type": "str", "required": True},
            "mode": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    owner, mode = module.params["owner"], int(module.params["mode"], 8)
    wanted = [Path(directory) / module.params["below"] for directory in module.params["directories"]]
    try:
        entry = pwd.getpwnam(owner)
    except KeyError:
        if not module.check_mode:
            module.fail_json(msg=f"no user {owner}: install the package that makes it first")
        entry = None
    problems = not_mounted([path.parent for path in wanted], module.params["mounted"])
    missing = [path for path in wanted if not path.exists()]
    for path in wanted:
        if path.exists() and entry and path.lstat().st_uid != entry.pw_uid:
            problems.append(
                f"{path} belongs to uid {path.lstat().st_uid}, not to {owner}; move it away or give it to {owner}"
            )
    if problems:
        module.fail_json(msg="; ".join(problems))
    wrong = [path for path in wanted if path not in missing and stat.S_IMODE(path.lstat().st_mode) != mode]
    if not module.check_mode and entry:
        for path in missing:
            path.mkdir(parents=True)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        for path in [*missing, *wrong]:
            path.chmod(mode)
    lines = [f"make {path}" for path in missing] + [f"set mode of {path}" for path in wrong]
    module.exit_json(
        changed=bool(lines),
        made=[str(path) for path in missing],
        diff={"prepared": "".join(f"+{line}\n" for line in lines)},
    )


if __name__ == "__main__":
    main()
