#!/usr/bin/python
"""Ansible module: who may mount which volume; granted before anybody mounts, withdrawn when nobody does any more."""

from __future__ import annotations

import difflib
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.storage import exports

DOCUMENTATION = r"""
module: volume_exports
short_description: Grants volumes to networks, or withdraws what is planned no longer
description:
  - Clients keep what they mounted until they are changed themselves, some waves later. So one call grants what is new
    and leaves what is there, and a later one, after the clients, withdraws what is planned no longer and adds nothing.
  - Writes the file only; M(systemd_unit) has the server read it.
options:
  dest:
    description: File of exports.
    type: path
    required: true
  kind:
    description: Whose format it has.
    type: str
    choices: [moosefs, nfs]
    required: true
  master:
    description: Address of the MooseFS master, which is granted the whole tree.
    type: str
    default: ""
  volumes:
    description: By name, a dict with read_only and, unless it is the name, path.
    type: dict
    required: true
  networks:
    description: Networks whose machines may mount.
    type: list
    elements: str
    required: true
  step:
    description: V(grant) takes nothing away, V(withdraw) gives nothing.
    type: str
    choices: [grant, withdraw]
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Say who may mount which volume
  gridmill.site.volume_exports:
    dest: /etc/exports.d/gridmill.exports
    kind: nfs
    volumes: {home: {path: /srv/gridmill/home, read_only: false}}
    networks: [192.0.2.0/24]
    step: grant
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
            "dest": {"type": "path", "required": True},
            "kind": {"type": "str", "choices": ["moosefs", "nfs"], "required": True},
            "master": {"type": "str", "default": ""},
            "volumes": {"type": "dict", "required": True},
            "networks": {"type": "list", "elements": "str", "required": True},
            "step": {"type": "str", "choices": ["grant", "withdraw"], "required": True},
        },
        supports_check_mode=True,
    )
    path, kind = Path(module.params["dest"]), module.params["kind"]
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    wanted = exports.planned(module.params["volumes"], module.params["networks"])
    now = exports.parse(kind, before)
    if module.params["step"] == "grant":
        new = exports.granted(wanted, now)
        after = exports.text(kind, new, module.params["master"])
    else:
        new = exports.withdrawn(wanted, now)
        after = before if new == now else exports.text(kind, new, module.params["master"])
    if after != before and not module.check_mode:
        new_file = path.with_name(f".{path.name}.new")
        new_file.write_text(after, encoding="utf-8")
        new_file.chmod(0o644)
        new_file.replace(path)
    module.exit_json(
        changed=after != before,
        actions=exports.told(now, new) or ([f"write {path}"] if after != before else []),
        diff={"prepared": "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True)))},
    )


if __name__ == "__main__":
    main()
