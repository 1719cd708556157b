#!/usr/bin/python
"""Ansible module: administrators and system users of the plan, in one round trip."""

from __future__ import annotations

import grp
import pwd
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gridmill_node.accounts import ADMIN_GROUP, Machine, Work, plan
from ansible.module_utils.gridmill_node.commands import run

DOCUMENTATION = r"""
module: accounts
short_description: Makes administrators and fixed-number system users as planned
description:
  - Administrators get an account, membership of the group gridmill-admins, and a file of keys owned by root.
  - An administrator who is no longer planned is locked, expired, and loses group and keys. Account and files stay.
  - A file of keys whose user is or was no administrator is left alone.
  - An account whose number differs from the plan is a failure, never renumbered.
options:
  admins:
    description: List of dicts with name, uid and keys.
    type: list
    elements: dict
    required: true
  users:
    description: List of dicts with name, uid and home.
    type: list
    elements: dict
    required: true
  keys_directory:
    description: Directory with one file of authorized keys per administrator.
    type: path
    default: /etc/ssh/authorized_keys.d
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make accounts
  accounts:
    admins: [{name: anna, uid: 3001, keys: ["ssh-ed25519 AAAA anna"]}]
    users: []
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


SHADOW = Path("/etc/shadow")
EXPIRY_FIELD = 7
SECONDS_A_DAY = 86400


def look(keys_directory: Path) -> Machine:
    groups = {group.gr_name: group.gr_mem for group in grp.getgrall()}
    today = time.time() // SECONDS_A_DAY
    rows = [line.split(":") for line in SHADOW.read_text(encoding="utf-8").splitlines()]
    expired = [row[0] for row in rows if row[EXPIRY_FIELD : EXPIRY_FIELD + 1] not in ([], [""])]
    return Machine(
        uids={entry.pw_name: entry.pw_uid for entry in pwd.getpwall()},
        expired=frozenset(name for name in expired if _expiry(rows, name) <= today),
        admin_members=frozenset(groups[ADMIN_GROUP]) if ADMIN_GROUP in groups else None,
        gids={group.gr_name: group.gr_gid for group in grp.getgrall()},
        keys={file.name: file.read_text(encoding="utf-8") for file in keys_directory.glob("*") if file.is_file()},
    )


def _expiry(rows: list[list[str]], name: str) -> float:
    return next(float(row[EXPIRY_FIELD]) for row in rows if row[0] == name)


def carry_out(work: Work, keys_directory: Path) -> str:
    """Do the work; the complaint of the first command that fails, or nothing."""
    for command in work.commands:
        answer = run(command)
        if not answer.ok:
            return f"{' '.join(command)}: {answer.complaint()}"
    keys_directory.mkdir(mode=0o755, exist_ok=True)
    for name in work.remove_keys:
        (keys_directory / name).unlink(missing_ok=True)
    for name, text in work.write_keys.items():
        new = keys_directory.parent / f".{name}.new"
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(keys_directory / name)
    return ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "admins": {"type": "list", "elements": "dict", "required": True, "no_log": False},
            "users": {"type": "list", "elements": "dict", "required": True},
            "keys_directory": {"type": "path", "default": "/etc/ssh/authorized_keys.d", "no_log": False},
        },
        supports_check_mode=True,
    )
    directory = Path(module.params["keys_directory"])
    work = plan(module.params["admins"], module.params["users"], look(directory))
    if work.problems:
        module.fail_json(msg="; ".join(work.problems))
    if not module.check_mode and (complaint := carry_out(work, directory)):
        module.fail_json(msg=complaint)
    actions = [" ".join(command) for command in work.commands]
    actions += [f"write keys of {name}" for name in work.write_keys]
    actions += [f"remove keys of {name}" for name in work.remove_keys]
    module.exit_json(
        changed=work.changed, actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)}
    )


if __name__ == "__main__":
    main()
