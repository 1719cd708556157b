#!/usr/bin/python
"""Ansible module: the cluster, its accounts and their users in Slurm's accounting database."""

from __future__ import annotations

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.slurm.accounting import (
    ACCOUNT_FIELDS,
    ASSOCIATION_FIELDS,
    GPUS,
    USER_FIELDS,
    Books,
    add_cluster,
    parse,
    plan,
    problems,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result, run

DOCUMENTATION = r"""
module: slurm_accounting
short_description: Puts cluster, accounts, users and limits into Slurm's accounting
description:
  - Adds what is planned and missing, and sets the limits of the planned accounts, also back to none.
  - Never removes an account or a user, since jobs were booked on them. Who is no longer planned can neither start nor
    submit jobs; jobs that run go on. Accounts that no plan ever had are left alone.
  - In check mode, where slurmdbd is not running yet, everything has to be added if its database is new; of one that was
    there before nothing can be said, which is a warning.
  - Refuses descriptions that Slurm would keep in another form, which every run would want to change again.
options:
  cluster:
    description: Name of the cluster.
    type: str
    required: true
  accounts:
    description: >-
      List of dicts with name, description, users and limits. Without it only the cluster is added, which must be there
      before slurmctld starts; limits of GPUs need a slurmctld that has told accounting of them.
    type: list
    elements: dict
  wait:
    description: Seconds that slurmdbd may take to answer, and slurmctld to tell it of GPUs.
    type: int
    default: 60
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Add accounts
  gridmill.site.slurm_accounting:
    cluster: lab
    accounts: [{name: research, description: Research, users: [anna], limits: {gpus: 16}}]
"""

RETURN = r"""
actions:
  description: What sacctmgr was told, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


DATABASE = Path("/var/lib/mysql/slurm_acct_db")


def sacctmgr(arguments: list[str]) -> Result:
    return run(["sacctmgr", "--immediate", "--parsable2", "--noheader", *arguments])


def look(cluster: str, wait: int) -> tuple[Books, Result]:
    """The books, and the first answer that failed (or the last one)."""
    until = time.monotonic() + wait
    answers = [sacctmgr(["show", "cluster", "format=cluster"])]
    while not answers[0].ok and answers[0].status != MISSING and time.monotonic() < until:
        time.sleep(1.0)
        answers = [sacctmgr(["show", "cluster", "format=cluster"])]
    answers.append(sacctmgr(["show", "account", f"format={ACCOUNT_FIELDS}"]))
    answers.append(sacctmgr(["show", "association", f"cluster={cluster}", f"format={ASSOCIATION_FIELDS}"]))
    answers.append(sacctmgr(["show", "user", f"format={USER_FIELDS}"]))
    failed = [answer for answer in answers if not answer.ok]
    return parse(*(answer.output for answer in answers)), (failed or answers)[0]


def wait_for_gpus(wait: int) -> None:
    """Until accounting knows GPUs: a new slurmctld tells it some seconds after its start."""
    until = time.monotonic() + wait
    while "gres|gpu" not in sacctmgr(["show", "tres", "format=type,name"]).output and time.monotonic() < until:
        time.sleep(1.0)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "accounts": {"type": "list", "elements": "dict"},
            "wait": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    cluster, accounts = module.params["cluster"], module.params["accounts"]
    if refused := problems(accounts or []):
        module.fail_json(msg="; ".join(refused))
    wait = 0 if module.check_mode else module.params["wait"]
    books, answer = look(cluster, wait)
    if not answer.ok and not module.check_mode:
        module.fail_json(msg=f"sacctmgr: {answer.complaint()}")
    work = plan(cluster, accounts, books) if accounts is not None else add_cluster(cluster, books)
    if not answer.ok and DATABASE.exists():
        module.warn("slurmdbd is not running: whether accounting will change can't be pending_change")
        work = []
    if not module.check_mode:
        if any(GPUS in argument for arguments in work for argument in arguments):
            wait_for_gpus(wait)
        for arguments in work:
            answer = sacctmgr(arguments)
            if not answer.ok:
                module.fail_json(msg=f"sacctmgr {' '.join(arguments)}: {answer.complaint()}")
    actions = [" ".join(arguments) for arguments in work]
    module.exit_json(changed=bool(work), actions=actions, diff={"prepared": "".join(f"+{line}\n" for line in actions)})


if __name__ == "__main__":
    main()
