#!/usr/bin/python
"""Ansible module: one stage in the rotation of the cluster's keys, on one machine."""

from __future__ import annotations

import pwd
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.slurm.keys import (
    KeysError,
    KeySet,
    accept,
    drop,
    parse,
    printed,
    sign,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.private_files import make_private, write_private

DOCUMENTATION = r"""
module: slurm_keys
short_description: One stage in the rotation of the keys of auth/slurm
description:
  - C(accept) makes a key of this epoch at random if there is none, and leaves signing as it is. The very first key
    signs at once.
  - C(sign) has the key of this epoch sign; the others are still accepted.
  - C(drop) forgets every other key, once the file has been as it is for O(overlap) seconds.
  - A stage that was reached already changes nothing, so that an interrupted rotation is repeated from its start.
  - Daemons read the file when they are told to; this module doesn't tell them. No key is ever returned or shown.
options:
  path:
    description: The file.
    type: path
    required: true
  owner:
    description: User, and group of the same name, that it belongs to.
    type: str
    required: true
  epoch:
    description: Number of the key that is to be in use.
    type: int
    required: true
  stage:
    description: What to do.
    type: str
    choices: [accept, sign, drop]
    required: true
  overlap:
    description: Seconds for which C(drop) leaves the old keys accepted after signing with them has ended here.
    type: int
    default: 120
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Sign with the new key
  gridmill.site.slurm_keys:
    path: /etc/slurm/slurm.jwks
    owner: slurm
    epoch: 2
    stage: sign
"""

RETURN = r"""
epochs:
  description: Epochs of the keys that are accepted now, or would be in check mode.
  returned: always
  type: list
  elements: int
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "owner": {"type": "str", "required": True},
            "epoch": {"type": "int", "required": True},
            "stage": {"type": "str", "choices": ["accept", "sign", "drop"], "required": True},
            "overlap": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    path, epoch, stage = Path(module.params["path"]), module.params["epoch"], module.params["stage"]
    try:
        found = parse(path.read_text(encoding="utf-8")) if path.exists() else KeySet({}, 0)
        if module.check_mode and stage != "accept":  # the stages before may not have been done, and will have been
            found = accept(found, epoch)
        if module.check_mode and stage == "drop":
            found = sign(found, epoch)
        wanted = {"accept": accept, "sign": sign, "drop": drop}[stage](found, epoch)
    except KeysError as error:
        module.fail_json(msg=f"{path}: {error}")
    differs = wanted != found
    if module.check_mode and differs:
        module.exit_json(changed=True, epochs=sorted(wanted.keys))
    try:
        entry = pwd.getpwnam(module.params["owner"])
    except KeyError:
        module.fail_json(msg=f"no user {module.params['owner']}: install the package that makes it first")
    if differs:
        if stage == "drop":
            time.sleep(max(0.0, path.stat().st_ctime + module.params["overlap"] - time.time()))
        write_private(path, printed(wanted).encode(), entry.pw_uid, entry.pw_gid)
    wrong = make_private(path, entry.pw_uid, entry.pw_gid, dry=module.check_mode)
    module.exit_json(changed=differs or wrong, epochs=sorted(wanted.keys))


if __name__ == "__main__":
    main()
