#!/usr/bin/python
"""Ansible module: refuses a run that has lost the site to a later one."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: fence
short_description: Refuses a run whose fencing token is older than one that was seen here
description:
  - The lease of a site has a number that grows with every run that takes it. The newest that worked on a machine is
    kept in C(/var/lib/gridmill/fence); a run with an older one, which lost the site while it was cut off, changes
    nothing.
  - Nothing of the site's desired state, so that it never counts as a change. In check mode the number is not kept.
options:
  token:
    description: The run's number; 0 for a run that holds no lease, which is let through.
    type: int
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Refuse a run that has lost the site
  gridmill.site.fence:
    token: 7
"""

RETURN = r"""
seen:
  description: The newest number that was seen here before.
  returned: always
  type: int
"""

PATH = Path("/var/lib/gridmill/fence")


def newest(text: str) -> int:
    """The number in the file; 0 for one that a crash left empty."""
    return int(text) if text.strip() else 0


def main() -> None:
    module = AnsibleModule(argument_spec={"token": {"type": "int", "required": True}}, supports_check_mode=True)
    token = module.params["token"]
    if token == 0 or module.check_mode:
        module.exit_json(changed=False, seen=0)
    PATH.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(PATH, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        seen = newest(stream.read())
        if seen > token:
            module.fail_json(
                msg=f"run {token} has lost the site: run {seen} has worked here since; start it anew", seen=seen
            )
        if seen < token:
            stream.seek(0)
            stream.write(f"{token}\n")
            stream.truncate()
    module.exit_json(changed=False, seen=seen)


if __name__ == "__main__":
    main()
