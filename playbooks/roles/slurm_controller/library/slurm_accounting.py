#!/usr/bin/python
"""Ansible module: the cluster, its accounts and their users in Slurm's accounting database."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gridmill_node.accounting import Books, parse, plan, problems
from ansible.module_utils.gridmill_node.commands import MISSING, Result, run

DOCUMENTATION = r"""
module: slurm_accounting
short_description: Adds cluster, accounts and users to Slurm's accounting
description:
  - Adds what is planned and missing. Never removes an account or a user, since jobs were booked on them.
  - Refuses descriptions that Slurm would keep in another form, which every run would want to change again.
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  accounts:
    description: List of dicts with name, description and users.
    type: list
    elements: dict
    required: true
  wait:
    description: Seconds that slurmdbd may take to answer.
    type: int
    default: 60
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Add accounts
  slurm_accounting:
    cluster: lab
    accounts: [{name: research, description: Research, users: [anna]}]
"""

RETURN = r"""
actions:
  description: What sacctmgr was told, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


def sacctmgr(arguments: list[str]) -> Result:
    return run(["sacctmgr", "--immediate", "--parsable2", "--noheader", *arguments])


def look(cluster: str, wait: int) -> tuple[Books, Result]:
    """The books, and the first answer that failed (or the last one)."""
    until = time.monotonic() + wait
    answers = [sacctmgr(["show", "cluster", "format=cluster"])]
    while not answers[0].ok and answers[0].status != MISSING and time.monotonic() < until:
        time.sleep(1.0)
        answers = [sacctmgr(["show", "cluster", "format=cluster"])]
    answers.append(sacctmgr(["show", "account", "format=account,description"]))
    answers.append(sacctmgr(["show", "association", f"cluster={cluster}", "format=account,user"]))
    failed = [answer for answer in answers if not answer.ok]
    return parse(*(answer.output for answer in answers)), (failed or answers)[0]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "accounts": {"type": "list", "elements": "dict", "required": True},
            "wait": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    if refused := problems(module.params["accounts"]):
        module.fail_json(msg="; ".join(refused))
    cluster = module.params["cluster"]
    books, answer = look(cluster, 0 if module.check_mode else module.params["wait"])
    if not answer.ok and not module.check_mode:
        module.fail_json(msg=f"sacctmgr: {answer.complaint()}")
    work = plan(cluster, module.params["accounts"], books)
    if not module.check_mode:
        for arguments in work:
            answer = sacctmgr(arguments)
            if not answer.ok:
                module.fail_json(msg=f"sacctmgr {' '.join(arguments)}: {answer.complaint()}")
    actions = [" ".join(arguments) for arguments in work]
    module.exit_json(changed=bool(work), actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)})


if __name__ == "__main__":
    main()
