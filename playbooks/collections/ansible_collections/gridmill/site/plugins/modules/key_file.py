#!/usr/bin/python
"""Ansible module: a key that only its owner can read, either made at random once or handed over."""

from __future__ import annotations

import base64
import binascii
import os
import pwd
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.private_files import make_private, write_private

DOCUMENTATION = r"""
module: key_file
short_description: Puts a key in place, or makes a random one
description:
  - Without O(content) an absent key is made from the kernel's random source. An existing key is never touched.
  - With O(content) the file gets exactly those bytes. They travel over standard input, never through a file.
  - Owner and mode are always set right. The key is never returned and never shown as a difference.
options:
  path:
    description: The file.
    type: path
    required: true
  owner:
    description: User, and group of the same name, that it belongs to.
    type: str
    required: true
  content:
    description: The key in base64.
    type: str
  size:
    description: Bytes of a key made here.
    type: int
    default: 1024
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make the key
  gridmill.site.key_file:
    path: /etc/slurm/slurm.key
    owner: slurm
"""

RETURN = r"""
written:
  description: Whether the file got a new key.
  returned: always
  type: bool
"""


LEAST_BYTES = 16


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "content": {"type": "str", "no_log": True},
            "size": {"type": "int", "default": 1024},
        },
        supports_check_mode=True,
    )
    path = Path(module.params["path"])
    present = path.read_bytes() if path.exists() else b""
    if module.params["content"] is None:
        wanted = present or os.urandom(module.params["size"])
    else:
        try:
            wanted = base64.b64decode(module.params["content"], validate=True)
        except binascii.Error:
            module.fail_json(msg=f"the key for {path} is not base64")
        if len(wanted) < LEAST_BYTES:
            module.fail_json(msg=f"the key for {path} has {len(wanted)} bytes, at least {LEAST_BYTES} are needed")
    differs = wanted != present
    if module.check_mode and differs:
        module.exit_json(changed=True, written=True)
    try:
        entry = pwd.getpwnam(module.params["owner"])
    except KeyError:
        module.fail_json(msg=f"no user {module.params['owner']}: install the package that makes it first")
    if differs:
        write_private(path, wanted, entry.pw_uid, entry.pw_gid)
    wrong = make_private(path, entry.pw_uid, entry.pw_gid, dry=module.check_mode)
    module.exit_json(changed=differs or wrong, written=differs)


if __name__ == "__main__":
    main()
