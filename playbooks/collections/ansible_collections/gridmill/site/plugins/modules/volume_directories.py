#!/usr/bin/python
"""Ansible module: directories of volumes in a file system that exists, in one round trip."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.storage import volumes

DOCUMENTATION = r"""
module: volume_directories
short_description: Makes directories of volumes and users as planned
description:
  - Makes what is missing and removes nothing. A user's directory that belongs to somebody else is a failure.
options:
  directories:
    description: Directories of existing file systems in which the volumes lie.
    type: list
    elements: path
    required: true
  mounted:
    description: Whether each must be a mount point.
    type: bool
    default: false
  volumes:
    description: By name, a dict with path and holds.
    type: dict
    required: true
  people:
    description: Everybody who gets a directory, as name and uid.
    type: list
    elements: dict
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make volumes
  gridmill.site.volume_directories:
    directories: [/srv/gridmill]
    volumes: {home: {path: /srv/gridmill/home, holds: homes}}
    people: [{name: anna, uid: 2001}]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "path", "required": True},
            "mounted": {"type": "bool", "default": False},
            "volumes": {"type": "dict", "required": True},
            "people": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    work = volumes.compare(volumes.directories(module.params["volumes"], module.params["people"]))
    places = [Path(path) for path in module.params["directories"]]
    problems = volumes.not_mounted(places, module.params["mounted"]) + work.problems
    if problems:
        module.fail_json(msg="; ".join(problems))
    if not module.check_mode:
        volumes.carry_out(work)
    actions = work.actions()
    module.exit_json(
        changed=bool(actions), actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)}
    )


if __name__ == "__main__":
    main()
