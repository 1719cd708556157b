#!/usr/bin/python
"""Ansible module: takes nodes out of Slurm's hands before they go."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gridmill_node.commands import run
from ansible.module_utils.gridmill_node.slurm_checks import nodes_to_set_down

DOCUMENTATION = r"""
module: slurm_nodes_down
short_description: Sets nodes DOWN so that their jobs are requeued
description:
  - Sets every named node that Slurm knows to DOWN. Slurm then requeues the jobs that allow it and ends the others.
  - A node that Slurm does not know any more is fine as it is.
options:
  names:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
  reason:
    description: What is written on the nodes.
    type: str
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Set nodes down
  slurm_nodes_down:
    names: [pod-a-r1-u01]
    reason: decommissioned
"""

RETURN = r"""
set_down:
  description: Nodes that were set DOWN, or would be in check mode.
  returned: always
  type: list
  elements: str
"""


CONFIGURATION = Path("/etc/slurm/slurm.conf")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "reason": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    if not CONFIGURATION.exists():  # Slurm was never set up here, so that it can't hold a node
        module.exit_json(changed=False, set_down=[])
    answer = run(["scontrol", "--oneliner", "show", "nodes"])
    if not answer.ok:
        module.fail_json(msg=f"scontrol show nodes: {answer.complaint()}; is slurmctld running here?")
    names = nodes_to_set_down(module.params["names"], answer.output)
    if names and not module.check_mode:
        change = [
            "scontrol",
            "update",
            f"NodeName={','.join(names)}",
            "State=DOWN",
            f"Reason={module.params['reason']}",
        ]
        answer = run(change)
        if not answer.ok:
            module.fail_json(msg=f"scontrol update: {answer.complaint()}")
    module.exit_json(changed=bool(names), set_down=names)


if __name__ == "__main__":
    main()
