#!/usr/bin/python
"""Ansible module: maintenance of nodes begins and ends in Slurm."""

from __future__ import annotations

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.slurm.maintenance import held, to_drain
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result, run

DOCUMENTATION = r"""
module: slurm_maintenance
short_description: Begins and ends the maintenance of nodes in Slurm
description:
  - Drains nodes that are being worked on, with the reason. Jobs that run there may end; none is killed.
  - Takes a node back whose maintenance is over, as long as it is drained for that reason and no other. A node that is
    DOWN stays so until its slurmd answers.
options:
  drain:
    description: Reason by name of the node. Slurm must know it; nodes that are not named are left as they are.
    type: dict
    default: {}
  resume:
    description: Name of the node to be taken back; for use on that node.
    type: str
    default: ""
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Drain what is being worked on
  gridmill.site.slurm_maintenance:
    drain: {pod-a-r1-u09: "PSU 3 replaced, ticket 118"}
"""

RETURN = r"""
nodes:
  description: Nodes that were changed, or would be in check mode.
  returned: always
  type: list
  elements: str
"""

PATIENCE_S = 30.0


def told(argv: list[str], patience: float = 0.0) -> Result:
    """What Slurm answers; a daemon that was just started gets some seconds."""
    until = time.monotonic() + patience
    answer = run(argv)
    while not answer.ok and time.monotonic() < until:
        time.sleep(1.0)
        answer = run(argv)
    return answer


def drain(module: AnsibleModule, wanted: dict[str, str]) -> list[str]:
    answer = told(["scontrol", "--oneliner", "show", "nodes"], 0.0 if module.check_mode else PATIENCE_S)
    if not answer.ok and module.check_mode:  # slurmctld is yet to be started
        return sorted(wanted)
    if not answer.ok:
        module.fail_json(msg=f"scontrol show nodes: {answer.complaint()}; is slurmctld running here?")
    reasons = to_drain(wanted, answer.output)
    if not module.check_mode:
        for name, reason in reasons.items():
            answer = run(["scontrol", "update", f"NodeName={name}", "State=DRAIN", f"Reason={reason}"])
            if not answer.ok:
                module.fail_json(msg=f"scontrol update {name}: {answer.complaint()}")
    return sorted(reasons)


def resume(module: AnsibleModule, name: str) -> list[str]:
    answer = told(["scontrol", "--oneliner", "show", "node", name], 0.0 if module.check_mode else PATIENCE_S)
    if not answer.ok and not module.check_mode:
        module.fail_json(msg=f"scontrol show node {name}: {answer.complaint()}; journalctl --unit slurmd may say why")
    if not answer.ok or not held(answer.output):
        return []
    if not module.check_mode:
        answer = run(["scontrol", "update", f"NodeName={name}", "State=UNDRAIN"])
        if not answer.ok:
            module.fail_json(msg=f"scontrol update {name}: {answer.complaint()}")
    return [name]


def main() -> None:
    module = AnsibleModule(
        argument_spec={"drain": {"type": "dict", "default": {}}, "resume": {"type": "str", "default": ""}},
        supports_check_mode=True,
    )
    wanted = {str(name): str(text) for name, text in module.params["drain"].items()}
    nodes = drain(module, wanted) if wanted else []
    if module.params["resume"]:
        nodes += resume(module, module.params["resume"])
    module.exit_json(changed=bool(nodes), nodes=nodes)


if __name__ == "__main__":
    main()
