#!/usr/bin/python
"""Ansible module: parameters on the kernel's boot line, from the next boot on."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.boot_line import difference, drop_in, parameters_of
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run
from ansible_collections.gridmill.site.plugins.module_utils.system.reboot import note, reasons

DOCUMENTATION = r"""
module: kernel_parameters
short_description: Sets parameters on the boot line, and notes that a reboot is due
description:
  - Writes a drop-in for GRUB and has update-grub read it, also when an earlier run was cut short between the two.
    Parameters that others set stay.
  - Where the running kernel was started without them (or with some that are no longer planned), a reboot is noted as
    due in /var/lib/gridmill/reboot-needed. It never reboots.
  - A machine without GRUB is a failure as soon as there are parameters to set.
options:
  parameters:
    description: Parameters, such as iommu=pt.
    type: list
    elements: str
    required: true
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Set kernel parameters
  gridmill.site.kernel_parameters:
    parameters: [iommu=pt]
"""

RETURN = r"""
reboot:
  description: Why a reboot is due because of the boot line; empty when none is.
  returned: always
  type: str
"""

DROP_IN = Path("/etc/default/grub.d/90-gridmill.cfg")
UPDATE = Path("/usr/sbin/update-grub")
MENU = Path("/boot/grub/grub.cfg")
RUNNING = Path("/proc/cmdline")
WHAT = "boot line"
TIMEOUT_S = 120.0


def stale() -> bool:
    """Whether the menu is older than the drop-in."""
    return not MENU.exists() or MENU.stat().st_mtime_ns < DROP_IN.stat().st_ctime_ns


def main() -> None:
    module = AnsibleModule(
        argument_spec={"parameters": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    wanted: list[str] = module.params["parameters"]
    present = DROP_IN.read_text(encoding="utf-8") if DROP_IN.exists() else ""
    text = drop_in(wanted) if wanted or present else ""
    if text and not UPDATE.exists():
        module.fail_json(msg=f"no {UPDATE}: kernel parameters are set by GRUB only; plan none for this kind of machine")
    writes = text != present
    updates = bool(text) and (writes or stale())
    former = reasons().get(WHAT, "")
    # what was taken off the line by an earlier run stands only in its note
    gone = [word[1:] for word in former.split() if word.startswith("-")]
    told = difference(wanted, [*parameters_of(present), *gone], RUNNING.read_text(encoding="utf-8"))
    due = f"{WHAT} {told}" if told else ""
    if not module.check_mode:
        if writes:
            DROP_IN.parent.mkdir(parents=True, exist_ok=True)
            new = DROP_IN.with_name(f".{DROP_IN.name}.new")
            new.write_text(text, encoding="utf-8")
            new.replace(DROP_IN)
        if due != former:
            note(WHAT, due)
        if updates:
            answer = run([str(UPDATE)], timeout=TIMEOUT_S)
            if not answer.ok:
                module.fail_json(msg=f"update-grub: {answer.complaint()}")
    module.exit_json(
        changed=writes or updates or due != former,
        reboot=due,
        diff={"before": present, "after": text, "before_header": str(DROP_IN), "after_header": str(DROP_IN)},
    )


if __name__ == "__main__":
    main()
