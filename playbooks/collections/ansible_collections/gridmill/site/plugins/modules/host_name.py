#!/usr/bin/python
"""Ansible module: the machine's own name, now and after a restart."""

from __future__ import annotations

import socket
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: host_name
short_description: Sets the machine's name
description:
  - Sets the running name and /etc/hostname. Asks no service (M(ansible.builtin.hostname) goes through
    systemd-hostnamed, which on a busy machine can take longer than D-Bus waits).
options:
  name:
    description: The short name.
    type: str
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Set the name
  gridmill.site.host_name:
    name: pod-a-r1-u01
"""

RETURN = r"""
before:
  description: The running name as it was.
  returned: always
  type: str
"""

FILE = Path("/etc/hostname")


def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    name = module.params["name"]
    running = socket.gethostname()
    written = FILE.read_text(encoding="utf-8").strip() if FILE.exists() else ""
    if not module.check_mode:
        if written != name:
            new = FILE.parent / ".hostname.new"
            new.write_text(f"{name}\n", encoding="utf-8")
            new.chmod(0o644)
            new.replace(FILE)
        if running != name:
            socket.sethostname(name)
    module.exit_json(
        changed=running != name or written != name,
        before=running,
        diff={"before": f"{written}\n", "after": f"{name}\n"},
    )


if __name__ == "__main__":
    main()
