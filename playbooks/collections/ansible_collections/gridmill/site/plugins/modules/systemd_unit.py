#!/usr/bin/python
"""Ansible module: a running unit works with its files as they are now, whatever became of the run that wrote them."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run
from ansible_collections.gridmill.site.plugins.module_utils.system.locks import RUNTIME
from ansible_collections.gridmill.site.plugins.module_utils.system.units import (
    PROPERTIES,
    READ_AGAIN,
    Clock,
    Unit,
    actions,
    fingerprint,
    noted_in,
    outdated,
    parse_unit,
)

DOCUMENTATION = r"""
module: systemd_unit
short_description: Restarts or reloads a unit whose files changed since it read them
description:
  - Takes the place of a handler, which is lost with the run that should have called it. Compares the files' change
    times with the start of the unit and with a note of what was applied, so that any later run sees what is open.
  - Reads units again first when systemd says that they changed on disk.
  - Leaves a unit alone that is not running, unless O(started) says that it is to run.
  - In check mode nothing was written that could be looked at, so O(pending_change) says whether a task before this
    one would have. A unit that does not exist yet would be started.
  - After a step of the clock a unit may be restarted once without need.
options:
  unit:
    description: Name of the unit.
    type: str
    required: true
  restart:
    description: Files that only a restart applies. One that does not exist counts for nothing.
    type: list
    elements: path
    default: []
  reload:
    description: Files that a reload applies.
    type: list
    elements: path
    default: []
  started:
    description: Whether the unit must run, now and whenever the machine starts.
    type: bool
    default: false
  pending_change:
    description: In check mode, whether a task before this one would change any of these files; else of no effect.
    type: bool
    default: false
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Write the configuration
  ansible.builtin.template: {src: site.conf.j2, dest: /etc/dnsmasq.d/site.conf, mode: "0644"}
  register: __role_configuration

- name: Apply the configuration and start dnsmasq
  gridmill.site.systemd_unit:
    unit: dnsmasq
    restart: [/etc/dnsmasq.d/site.conf]
    started: true
    pending_change: "{{ __role_configuration is changed }}"
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode - daemon-reload, enable, restart, start, reload.
  returned: always
  type: list
  elements: str
files:
  description: Files that the unit had not read as they are.
  returned: always
  type: list
  elements: str
"""

TIMEOUT = 300.0


def keep(note: Path, found: dict[str, tuple[int, int]]) -> None:
    note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = note.with_suffix(".new")
    new.write_text(json.dumps(found), encoding="utf-8")
    new.replace(note)


def shown(module: AnsibleModule, name: str) -> Unit:
    answer = run(["systemctl", "show", "--timestamp=us+utc", f"--property={','.join(PROPERTIES)}", name])
    if not answer.ok:
        module.fail_json(msg=f"systemctl show {name}: {answer.complaint()}")
    return parse_unit(answer.output, Clock(time.time_ns(), time.clock_gettime_ns(time.CLOCK_MONOTONIC)))


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "required": True},
            "restart": {"type": "list", "elements": "path", "default": []},
            "reload": {"type": "list", "elements": "path", "default": []},
            "started": {"type": "bool", "default": False},
            "pending_change": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    params, name = module.params, module.params["unit"]
    unit = shown(module, name)
    if not unit.loaded and not module.check_mode:  # its file may be new, or back
        answer = run(["systemctl", READ_AGAIN])
        if not answer.ok:
            module.fail_json(msg=f"systemctl {READ_AGAIN}: {answer.complaint()}")
        unit = shown(module, name)
    if not unit.loaded and not module.check_mode:
        module.fail_json(msg=f"systemd knows no unit {name} that it could load: is its package installed?")
    note = RUNTIME / "in-force" / f"{name}.json"
    noted = noted_in(note)
    found = {path: fingerprint(Path(path)) for path in (*params["restart"], *params["reload"])}
    old = outdated(found, noted, unit.started) if unit.loaded and unit.live else []
    pending_change = module.check_mode and params["pending_change"]
    restart = bool(set(old) & set(params["restart"])) or (pending_change and bool(params["restart"]))
    steps = actions(unit, restart=restart, reload=bool(old) or pending_change, start=params["started"])
    if not module.check_mode:
        for step in steps:
            argv = ["systemctl", step] if step == READ_AGAIN else ["systemctl", step, name]
            answer = run(argv, timeout=TIMEOUT)
            if not answer.ok:
                module.fail_json(msg=f"{' '.join(argv)}: {answer.complaint()}; journalctl --unit {name} may say why")
        if old:
            keep(note, noted | {path: print_ for path, print_ in found.items() if print_ is not None})
    lines = [f"{step} {name}" for step in steps]
    module.exit_json(
        changed=bool(set(steps) - {READ_AGAIN}),
        actions=steps,
        files=old,
        diff={"prepared": "".join(f"+{line}\n" for line in lines)},
    )


if __name__ == "__main__":
    main()
