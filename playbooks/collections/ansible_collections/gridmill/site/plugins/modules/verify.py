#!/usr/bin/python
"""Ansible module: every check of a node in one round trip."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import summary
from ansible_collections.gridmill.site.plugins.module_utils.checks.verification import HARDWARE, for_host, verify
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: verify
short_description: Checks a node against its plan
description:
  - Does every check that the plan lists for this node and reports all of them, not just the first that fails.
  - Changes nothing, and does the same in check mode.
  - A tool that is missing or gives no answer is a failed check.
options:
  checks:
    description: List of dicts with C(check), the name of a check, and the values that it compares with.
    type: list
    elements: dict
    required: true
  fqdn:
    description: Fully qualified name of this node, for the checks of its name that don't state one.
    type: str
    default: ""
  address:
    description: Address of this node, for the checks of its name that don't state one.
    type: str
    default: ""
  address6:
    description: IPv6 address of this node, as address; empty for none.
    type: str
    default: ""
  serial:
    description: Serial number of this node, for the check C(machine); empty when nobody said.
    type: str
    default: ""
  mac:
    description: MAC address that one of this node's interfaces must have; empty when nobody said.
    type: str
    default: ""
  wait:
    description: Seconds, in all, that checks of services and of Slurm may take to become true.
    type: int
    default: 0
  stage:
    description: C(hardware) does only the checks that can be done before any service runs.
    type: str
    choices: [all, hardware]
    default: all
  report_only:
    description: Report failed checks without failing the task.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Check the GPUs
  gridmill.site.verify:
    fqdn: pod-a-r1-u01.example.net
    address: 192.0.2.65
    checks:
      - {check: gpus, count: 8, name_contains: H100}
"""

RETURN = r"""
gridmill_checks:
  description: One dict per check with check, ok, expected, found and hint.
  returned: always
  type: list
  elements: dict
gridmill_notes:
  description: What is well and should be known all the same, such as a reboot that is due.
  returned: success
  type: list
  elements: str
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "checks": {"type": "list", "elements": "dict", "required": True},
            "fqdn": {"type": "str", "default": ""},
            "address": {"type": "str", "default": ""},
            "address6": {"type": "str", "default": ""},
            "serial": {"type": "str", "default": ""},
            "mac": {"type": "str", "default": ""},
            "wait": {"type": "int", "default": 0},
            "stage": {"type": "str", "choices": ["all", "hardware"], "default": "all"},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    name, _, domain = module.params["fqdn"].partition(".")
    addresses = [address for address in (module.params["address"], module.params["address6"]) if address]
    identity = {"serial": module.params["serial"], "mac": module.params["mac"]}
    wanted = for_host(module.params["checks"], name, domain, addresses, identity)
    if module.params["stage"] == "hardware":
        wanted = [one for one in wanted if one.get("check") in HARDWARE]
    checks = verify(wanted, run, wait=float(module.params["wait"]))
    failed = summary(checks)
    if failed and not module.params["report_only"]:
        module.fail_json(msg=failed, gridmill_checks=checks)
    notes = [one["found"] for one in checks if one["check"] == "reboot" and one["found"] != one["expected"]]
    module.exit_json(changed=False, gridmill_checks=checks, gridmill_notes=notes)


if __name__ == "__main__":
    main()
