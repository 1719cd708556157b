#!/usr/bin/python
"""Ansible module: runs acceptance jobs through Slurm and checks what they did and how they were booked."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.checks import acceptance
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result, summary
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: acceptance
short_description: Runs jobs as a user would and checks them
description:
  - Submits every job with sbatch as its user, waits for all of them, and checks state, GPUs and accounting. A job
    counts its GPUs itself and completes only with as many as it asked for.
  - A job that is not over in time is cancelled. One that waited for what other jobs use is told apart from others.
  - Does nothing in check mode, since a job is not a thing to preview.
options:
  jobs:
    description: >-
      List of dicts with name, partition, gres, user, account and command. The command prints a line per GPU of the job,
      C(GPU 0: name) or C(0, name).
    type: list
    elements: dict
    required: true
  timeout:
    description: Seconds until a job counts as failed.
    type: int
    default: 300
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Run a job on two GPUs
  gridmill.site.acceptance:
    jobs:
      - {name: two-gpus, partition: gpu, gres: "gpu:2", user: tester, account: tests, command: nvidia-smi --list-gpus}
"""

RETURN = r"""
gridmill_checks:
  description: One dict per check with check, ok, expected, found and hint.
  returned: always
  type: list
  elements: dict
gridmill_data:
  description: Under C(jobs), one dict per job that was accounted, with job, name, state, node, gpus and seconds.
  returned: when jobs were submitted
  type: dict
"""


def submit(one: acceptance.Job, timeout: int) -> tuple[str, str]:
    """Job number, or the complaint."""
    argv = acceptance.submission(one, minutes=timeout // 60 + 1)
    answer = run(acceptance.as_user(one.user, argv), text=acceptance.script(one))
    return (answer.output.strip().split(";")[0], "") if answer.ok else ("", answer.complaint())


def record_of(identifier: str) -> dict[str, str]:
    fields = ",".join(acceptance.RECORD_FIELDS)
    options = ["--parsable2", "--noheader", "--allocations", f"--jobs={identifier}", f"--format={fields}"]
    record: dict[str, str] = acceptance.parse_record(run(["sacct", *options]).output)
    return record


def wait(identifier: str, until: float) -> dict[str, str]:
    """The record of a job once it is over, or the last one before `until`."""
    record = record_of(identifier)
    while not acceptance.over(record) and time.monotonic() < until:
        time.sleep(1.0)
        record = record_of(identifier)
    return record


def carry_out(one: acceptance.Job, identifier: str, until: float) -> tuple[list[Check], dict[str, str]]:
    record = wait(identifier, until)
    if not acceptance.over(record):
        queue = run(["squeue", "--noheader", f"--jobs={identifier}", "--format=%T|%r"]).output
        others = run(["squeue", "--noheader", "--states=RUNNING", "--format=%A"])
        run(["scancel", identifier])
        numbers = [number for number in others.output.split() if number != identifier]
        return [acceptance.unfinished(one, identifier, queue, len(numbers))], record
    checks: list[Check] = acceptance.checks_of(one, identifier, record)
    return checks, record


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "jobs": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    if module.check_mode:
        module.exit_json(changed=False, gridmill_checks=[])
    checks: list[Check] = []
    numbers: dict[str, str] = {}
    accounted: list[dict[str, str]] = []
    try:
        jobs = [acceptance.job(raw) for raw in module.params["jobs"]]
    except KeyError as missing:
        module.fail_json(msg=f"an acceptance job lacks {missing}", gridmill_checks=[])
    if not jobs:  # every GPU node is being worked on, or there is none
        checks.append(result("jobs", ok=True, expected="no GPU node to try", found="no GPU node to try"))
    for one in jobs:
        identifier, complaint = submit(one, module.params["timeout"])
        numbers[one.name] = identifier
        if complaint:
            hint = "squeue, sinfo and sacctmgr show association on the controller"
            checks.append(
                result(f"job {one.name} submitted", ok=False, expected="accepted", found=complaint, hint=hint)
            )
    until = time.monotonic() + module.params["timeout"]
    for one in jobs:
        if numbers[one.name]:
            found, record = carry_out(one, numbers[one.name], until)
            checks += found
            accounted.append({"job": numbers[one.name], "name": one.name, **acceptance.told(record)})
    failed = summary(checks)
    if failed:
        module.fail_json(msg=failed, gridmill_checks=checks, gridmill_data={"jobs": accounted})
    module.exit_json(changed=False, gridmill_checks=checks, gridmill_data={"jobs": accounted})


if __name__ == "__main__":
    main()
