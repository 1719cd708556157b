#!/usr/bin/python
"""Ansible module: jobs from before a change hold the watts that they take after it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.slurm.watts import JOBS, kind_of, short_of_watts
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: slurm_job_watts
short_description: Gives watts to jobs that hold too few
description:
  - A job takes its watts when it is submitted. One that was there before Slurm held the power, or before its nodes came
    to draw more, holds too few; here it gets what is missing, and runs on or waits as before.
  - Never takes any away. Running jobs may hold more than there is then, and others wait until they have ended.
  - Names jobs that wait and take more than there is at all.
options:
  total:
    description: Watts of all jobs together.
    type: int
    required: true
  partitions:
    description: What a job takes by partition - C(nodes), C(node_w), C(gpu_w), C(cpu_w), C(mixed).
    type: dict
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Give watts to jobs from before
  gridmill.site.slurm_job_watts:
    total: 9200
    partitions: {gpu: {nodes: 2, node_w: 8200, gpu_w: 1025, cpu_w: 4100, mixed: false}}
"""

RETURN = r"""
jobs:
  description: Licences by job that got more watts, or would in check mode.
  returned: always
  type: dict
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "total": {"type": "int", "required": True},
            "partitions": {"type": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    if not run(["systemctl", "is-active", "--quiet", "slurmctld"]).ok:  # not set up yet: no jobs
        module.exit_json(changed=False, jobs={})
    try:
        kinds = {str(name): kind_of(values) for name, values in module.params["partitions"].items()}
    except (KeyError, TypeError, ValueError) as error:
        module.fail_json(msg=f"a partition without {error}")
    answer = run(JOBS)
    if not answer.ok:
        module.fail_json(msg=f"squeue: {answer.complaint()}")
    short = short_of_watts(answer.output, kinds)
    for job, (watts, licenses) in short.items():
        if watts > module.params["total"]:
            module.warn(f"job {job} takes {watts} W and all jobs together have {module.params['total']} W: cancel it")
        if not module.check_mode:
            told = run(["scontrol", "update", f"JobId={job}", f"Licenses={licenses}"])
            if not told.ok and run(["squeue", "--noheader", f"--jobs={job}"]).output.strip():  # it has not ended
                module.fail_json(msg=f"scontrol update JobId={job} Licenses={licenses}: {told.complaint()}")
    module.exit_json(
        changed=bool(short),
        jobs={job: licenses for job, (_, licenses) in short.items()},
        diff={"prepared": "".join(f"+job {job}: {licenses}\n" for job, (_, licenses) in short.items())},
    )


if __name__ == "__main__":
    main()
