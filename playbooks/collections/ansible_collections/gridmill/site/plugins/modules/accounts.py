#!/usr/bin/python
"""Ansible module: administrators, people, groups and system users of the plan, in one round trip."""

from __future__ import annotations

import grp
import json
import pwd
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.accounts.plan import HOMES, Machine, Wanted, Work, plan
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: accounts
short_description: Makes people, groups and fixed-number system users as planned
description:
  - Administrators and people get an account and a group of the same number, and membership of gridmill-admins or
    gridmill-users. Administrators get a file of keys owned by root; people where O(logins) allows it.
  - Whoever is no longer planned is locked, expired, and loses groups and keys. Account, files and processes stay.
  - A file of keys of someone who is or was in no plan is left alone.
  - Groups get their planned members. Members that no plan ever had stay, and so does a group that left the plan.
  - An account or group whose number differs from the plan is a failure that says what to do, never renumbered.
options:
  admins:
    description: List of dicts with name, uid and keys.
    type: list
    elements: dict
    default: []
  people:
    description: List of dicts with name, uid and keys.
    type: list
    elements: dict
    default: []
  users:
    description: System users. List of dicts with name, uid and home.
    type: list
    elements: dict
    default: []
  groups:
    description: List of dicts with name, gid and members.
    type: list
    elements: dict
    default: []
  logins:
    description: Whether people may log in with their keys on this machine.
    type: bool
    default: false
  homes:
    description: Whether missing home directories are made.
    type: bool
    default: true
  keys_directory:
    description: Directory with one file of authorized keys per person.
    type: path
    default: /etc/ssh/authorized_keys.d
  record:
    description: File that remembers which groups came from a plan.
    type: path
    default: /var/lib/gridmill/accounts.json
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Make accounts
  gridmill.site.accounts:
    admins: [{name: anna, uid: 3001, keys: ["ssh-ed25519 AAAA anna"]}]
    groups: [{name: chemistry, gid: 4000, members: [anna]}]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
gridmill_notes:
  description: Accounts and groups that were there before and are taken over.
  returned: always
  type: list
  elements: str
"""


SHADOW = Path("/etc/shadow")
EXPIRY_FIELD = 7
SECONDS_A_DAY = 86400


def look(wanted: Wanted, keys_directory: Path, record: Path) -> Machine:
    groups = grp.getgrall()
    today = time.time() // SECONDS_A_DAY
    rows = [line.split(":") for line in SHADOW.read_text(encoding="utf-8").splitlines()]
    expired = [row[0] for row in rows if row[EXPIRY_FIELD : EXPIRY_FIELD + 1] not in ([], [""])]
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    homes = {name: entries[name].pw_dir if name in entries else f"{HOMES}/{name}" for name in wanted.persons}
    return Machine(
        uids={name: entry.pw_uid for name, entry in entries.items()},
        expired=frozenset(name for name in expired if _expiry(rows, name) <= today),
        members={group.gr_name: frozenset(group.gr_mem) for group in groups},
        gids={group.gr_name: group.gr_gid for group in groups},
        keys={file.name: file.read_text(encoding="utf-8") for file in keys_directory.glob("*") if file.is_file()},
        homes=homes,
        homeless=frozenset(name for name, home in homes.items() if not Path(home).exists()),
        managed=frozenset(json.loads(record.read_text(encoding="utf-8"))["groups"] if record.exists() else ()),
    )


def _expiry(rows: list[list[str]], name: str) -> float:
    return next(float(row[EXPIRY_FIELD]) for row in rows if row[0] == name)


def replace(path: Path, text: str, mode: int) -> None:
    new = path.parent.parent / f".{path.name}.new"
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)


def carry_out(work: Work, machine: Machine, keys_directory: Path, record: Path) -> str:
    """Do the work; the complaint of the first command that fails, or nothing."""
    if work.managed - machine.managed:  # before they are made, so that a run that is cut short knows them
        remember(record, work.managed | machine.managed)
    for command in work.commands:
        answer = run(command)
        if not answer.ok:
            return f"{' '.join(command)}: {answer.complaint()}"
    keys_directory.mkdir(mode=0o755, exist_ok=True)
    for name in work.remove_keys:
        (keys_directory / name).unlink(missing_ok=True)
    for name, text in work.write_keys.items():
        replace(keys_directory / name, text, 0o644)
    if work.managed != machine.managed:
        remember(record, work.managed)
    return ""


def remember(record: Path, groups: frozenset[str]) -> None:
    record.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(record, json.dumps({"groups": sorted(groups)}), 0o600)


def main() -> None:
    lists = {name: {"type": "list", "elements": "dict", "default": []} for name in ("people", "users", "groups")}
    module = AnsibleModule(
        argument_spec={
            **lists,
            "admins": {"type": "list", "elements": "dict", "default": [], "no_log": False},
            "logins": {"type": "bool", "default": False},
            "homes": {"type": "bool", "default": True},
            "keys_directory": {"type": "path", "default": "/etc/ssh/authorized_keys.d", "no_log": False},
            "record": {"type": "path", "default": "/var/lib/gridmill/accounts.json"},
        },
        supports_check_mode=True,
    )
    directory, record = Path(module.params["keys_directory"]), Path(module.params["record"])
    wanted = Wanted(**{name: module.params[name] for name in (*lists, "admins", "logins", "homes")})
    machine = look(wanted, directory, record)
    work = plan(wanted, machine)
    if work.problems:
        module.fail_json(msg="; ".join(work.problems))
    if not module.check_mode and (complaint := carry_out(work, machine, directory, record)):
        module.fail_json(msg=complaint)
    actions = [" ".join(command) for command in work.commands]
    actions += [f"write keys of {name}" for name in work.write_keys]
    actions += [f"remove keys of {name}" for name in work.remove_keys]
    actions += ["remember the plan's groups"] if work.managed != machine.managed else []
    module.exit_json(
        changed=work.changed,
        actions=actions,
        gridmill_notes=work.notes,
        diff={"prepared": "".join(f"+{line}\n" for line in actions)},
    )


if __name__ == "__main__":
    main()
