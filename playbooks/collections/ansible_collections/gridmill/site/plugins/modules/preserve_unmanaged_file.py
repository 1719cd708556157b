#!/usr/bin/python
"""Ansible module: what was on the machine before Gridmill is kept before it is replaced, or not replaced at all."""

from __future__ import annotations

import os
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.unmanaged import BEFORE, copy_of, foreign, keep

DOCUMENTATION = r"""
module: preserve_unmanaged_file
short_description: Keeps files that Gridmill did not write, before a role replaces them
description:
  - A file is foreign when it exists and its first lines don't say that Gridmill wrote it.
  - The first foreign version of each file is copied below /var/lib/gridmill/before, once, and reported.
  - With O(consent), a foreign file is a failure that names it and says which word of the stack allows to replace it.
    In check mode that is a warning.
options:
  files:
    description: Files that the role is about to write whole.
    type: list
    elements: path
    required: true
  keys:
    description: Files that can't carry the mark. They are ours where O(ours_with) stands.
    type: list
    elements: path
    default: []
  ours_with:
    description: A file by Gridmill that is always written before O(keys).
    type: path
  consent:
    description: The word under C(adopt) in the stack without which a foreign file must stay.
    type: str
  consented:
    description: Whether the stack has that word.
    type: bool
    default: false
  meaning:
    description: What a foreign file means, for the message.
    type: str
    default: ""
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Keep what others wrote
  gridmill.site.preserve_unmanaged_file:
    files: [/etc/hosts]
"""

RETURN = r"""
gridmill_notes:
  description: One line per file that was here before.
  returned: always
  type: list
  elements: str
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "path", "required": True},
            "keys": {"type": "list", "elements": "path", "default": [], "no_log": False},
            "ours_with": {"type": "path"},
            "consent": {"type": "str"},
            "consented": {"type": "bool", "default": False},
            "meaning": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    before = Path(BEFORE)
    ours_with = Path(module.params["ours_with"]) if module.params["ours_with"] else None
    found = [path for path in map(Path, module.params["files"]) if foreign(path)]
    found += [path for path in map(Path, module.params["keys"]) if foreign(path, ours_with)]
    if found and module.params["consent"] and not module.params["consented"]:
        refusal = (
            f"{', '.join(map(str, found))}: not written by Gridmill{module.params['meaning'] and '; '}"
            f"{module.params['meaning']}. Nothing of it was changed. To replace it (a copy is kept below {before}), "
            f"put `adopt: [{module.params['consent']}]` into the stack"
        )
        if not module.check_mode:
            module.fail_json(msg=refusal)
        module.exit_json(changed=False, gridmill_notes=[f"applied now, this would fail: {refusal}"])
    new = [path for path in found if not os.path.lexists(copy_of(path, before))]
    if not module.check_mode:
        for path in new:
            keep(path, before)
    module.exit_json(
        changed=bool(new),
        gridmill_notes=[f"{path} was here before; kept as {copy_of(path, before)}" for path in new],
        diff={"prepared": "".join(f"+keep {path}\n" for path in new)},
    )


if __name__ == "__main__":
    main()
