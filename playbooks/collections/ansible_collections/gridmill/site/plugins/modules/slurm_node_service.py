#!/usr/bin/python
"""Ansible module: takes nodes out of Slurm's service."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.checks.slurm import (
    OUT_REASON,
    nodes_to_leave_down,
    nodes_to_take_out,
)
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, run

DOCUMENTATION = r"""
module: slurm_node_service
short_description: Takes nodes out of Slurm's service
description:
  - C(draining) drains every named node that Slurm knows, so that nothing new starts on it, and sets it DOWN, so that
    Slurm ends its jobs and requeues those that allow it. DOWN alone would not last while slurmd still answers, as
    ReturnToService=2 lets any answer end it.
  - C(down), for when slurmd has stopped, leaves those nodes DOWN without a drain, so that they return by themselves
    when slurmd starts again.
  - A node that Slurm does not know is fine as it is, and so is a machine that has no slurmctld or scontrol (any more).
options:
  names:
    description: Names of the nodes.
    type: list
    elements: str
    required: true
  state:
    description: Draining while slurmd runs, down when it has stopped.
    type: str
    choices: [draining, down]
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Take the nodes out of service
  gridmill.site.slurm_node_service:
    names: [pod-a-r1-u01]
    state: draining
"""

RETURN = r"""
nodes:
  description: Nodes that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

NEEDED = (Path("/etc/slurm/slurm.conf"), Path("/usr/sbin/slurmctld"))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["draining", "down"], "required": True},
        },
        supports_check_mode=True,
    )
    answer = run(["scontrol", "--oneliner", "show", "nodes"])
    if answer.status == MISSING or not all(path.exists() for path in NEEDED):  # no Slurm here that could hold a node
        module.exit_json(changed=False, nodes=[])
    if not answer.ok:
        module.fail_json(msg=f"scontrol show nodes: {answer.complaint()}; is slurmctld running here?")
    draining = module.params["state"] == "draining"
    names = (nodes_to_take_out if draining else nodes_to_leave_down)(module.params["names"], answer.output)
    reason = f"Reason={OUT_REASON}"
    drain, down, undrain = ["State=DRAIN", reason], ["State=DOWN", reason], ["State=UNDRAIN", reason]
    changes = [drain, down] if draining else [down, undrain]
    if names and not module.check_mode:
        for change in changes:
            answer = run(["scontrol", "update", f"NodeName={','.join(names)}", *change])
            if not answer.ok:
                module.fail_json(msg=f"scontrol update {change[0]}: {answer.complaint()}")
    module.exit_json(changed=bool(names), nodes=names)


if __name__ == "__main__":
    main()
