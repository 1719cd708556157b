#!/usr/bin/python
"""Ansible module: whether the kernel has loaded the driver that is installed, and if not, a note for the restart."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.nvidia.loaded_driver import MARKER, loaded_driver, marked

DOCUMENTATION = r"""
module: loaded_driver
short_description: Marks a machine that must be restarted for its driver
description:
  - Compares the NVIDIA driver that the kernel has loaded with the one that is wanted. While they differ, the machine's
    note of what waits for a restart says so; it goes by itself afterwards. Nothing is loaded, unloaded or restarted.
  - Where no driver is loaded, none has to be replaced, and nothing is noted.
options:
  version:
    description: Wanted version.
    type: str
    required: true
  flavour:
    description: Wanted flavour of the kernel modules.
    type: str
    choices: [open, proprietary]
    required: true
  loaded:
    description: File in which the kernel tells what is loaded.
    type: path
    default: /proc/driver/nvidia/version
  marker:
    description: File of what waits for a restart, a line each.
    type: path
    default: /var/lib/gridmill/reboot-needed
author: [Gridmill]
"""

EXAMPLES = r"""
- name: See which driver is loaded
  gridmill.site.loaded_driver:
    version: 550.163.01
    flavour: open
"""

RETURN = r"""
pending:
  description: Whether the machine must be restarted first.
  returned: always
  type: bool
reason:
  description: Why.
  returned: always
  type: str
"""

TOPIC = "nvidia"


def reads(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "flavour": {"type": "str", "choices": ["open", "proprietary"], "required": True},
            "loaded": {"type": "path", "default": "/proc/driver/nvidia/version"},
            "marker": {"type": "path", "default": str(MARKER)},
        },
        supports_check_mode=True,
    )
    wanted = (module.params["version"], module.params["flavour"])
    loaded = loaded_driver(reads(Path(module.params["loaded"])))
    pending = loaded is not None and loaded != wanted
    reason = f"driver {' '.join(wanted)} is installed, {' '.join(loaded)} is loaded" if loaded and pending else ""
    marker = Path(module.params["marker"])
    before = reads(marker)
    after = marked(before, TOPIC, reason)
    if after != before and not module.check_mode:
        if after:
            marker.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            new = marker.parent / f".{marker.name}.new"
            new.write_text(after, encoding="utf-8")
            new.replace(marker)
        else:
            marker.unlink()
    module.exit_json(changed=after != before, pending=pending, reason=reason, diff={"before": before, "after": after})


if __name__ == "__main__":
    main()
