#!/usr/bin/python
"""Ansible module: the power limit of every GPU of a machine."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.checks.nvidia import limits_apart, parse_rows
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, run

DOCUMENTATION = r"""
module: gpu_power_limit
short_description: Sets the power limit of every GPU
description:
  - Compares what NVML reports (through nvidia-smi) with the wanted limit, and sets it where it is another.
  - A limit outside the GPUs' range fails with the range that the driver reports.
options:
  watts:
    description: Limit of each GPU in W; 0 for the GPUs' own default.
    type: int
    required: true
  pending_change:
    description: In check mode, whether a task before this one would set the limit already; then nothing is left to do.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Limit the GPUs
  gridmill.site.gpu_power_limit:
    watts: 500
"""

RETURN = r"""
gpus:
  description: GPUs whose limit was changed, or would be in check mode, by index.
  returned: always
  type: list
  elements: str
"""

FIELDS = ["index", "power.limit", "power.default_limit"]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "watts": {"type": "int", "required": True},
            "pending_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    watts = module.params["watts"]
    answer = run(["nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits"])
    if module.check_mode and (module.params["pending_change"] or answer.status == MISSING):
        module.exit_json(changed=False, gpus=[])
    rows, problem = parse_rows(answer, len(FIELDS))
    if problem:
        module.fail_json(msg=f"the GPUs' power limits can't be read: {problem}")
    apart = limits_apart(rows, watts)
    if not module.check_mode:
        for index, wanted in apart.items():
            answer = run(["nvidia-smi", f"--id={index}", f"--power-limit={wanted}"])
            if not answer.ok:
                said = " ".join((answer.output or answer.error).split())
                module.fail_json(msg=f"GPU {index} rejected power limit {wanted} W: {said}")
    lines = [f"+GPU {index}: {wanted} W\n" for index, wanted in apart.items()]
    module.exit_json(changed=bool(apart), gpus=list(apart), diff={"prepared": "".join(lines)})


if __name__ == "__main__":
    main()
