#!/usr/bin/python
"""Ansible module: a Slurm configuration that was tried before it is applied."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.slurm.config import setting_changes, stop_needed
from ansible_collections.gridmill.site.plugins.module_utils.slurm.removal import (
    JOB_FORMAT,
    LEAVING_REASON,
    Changes,
    changes,
    holders,
    planned_nodes,
    refusal,
)
from ansible_collections.gridmill.site.plugins.module_utils.slurm.trial import SLURMCTLD, try_out
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: slurm_configuration
short_description: Tries, writes and applies a Slurm configuration
description:
  - A changed configuration is first tried by a real slurmctld in namespaces of its own (no network, no /run, its own
    state), in check mode too. What it refuses is never written.
  - A running slurmctld then takes it over by C(scontrol reconfigure); if it does not, the old files are put back.
  - Nodes that the running slurmctld has and the configuration no longer has are drained first. While jobs run on them
    nothing is written; the failure names the jobs and their users. A later run goes on when they have ended.
  - Never restarts slurmctld. A change that would need a restart fails and says so.
  - An interrupted run leaves a mark, so that the next one reconfigures although the files are already right.
options:
  files:
    description: Text per file name; C(slurm.conf) is one of them. A file without text is removed.
    type: dict
    required: true
  reread:
    description: Have a running slurmctld read the configuration anew, though no file changed.
    type: bool
    default: false
  directory:
    description: Where the files are kept.
    type: path
    default: /etc/slurm
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Apply the configuration
  gridmill.site.slurm_configuration:
    files:
      slurm.conf: "{{ lookup('ansible.builtin.template', 'slurm.conf.j2') }}"
"""

RETURN = r"""
drained:
  description: Nodes that were drained because the configuration no longer has them, or would be in check mode.
  returned: always
  type: list
  elements: str
reconfigured:
  description: Whether a running slurmctld took the configuration over.
  returned: always
  type: bool
"""


RECONFIGURE_TIMEOUT = 120.0
PENDING = ".reconfigure-pending"


def told(argv: list[str]) -> str:
    """What Slurm answers. Raises OSError when it does not."""
    answer = run(argv)
    if not answer.ok:
        raise OSError(f"{' '.join(argv[:2])}: {answer.complaint()}")
    output: str = answer.output
    return output


def nodes_change(text: str) -> Changes:
    """What the configuration means for the nodes that the running slurmctld has."""
    return changes(planned_nodes(text), told(["scontrol", "--oneliner", "show", "nodes"]))


def objection(leaving: list[str]) -> str:
    """Jobs that still run on nodes that leave, told to a person; empty when there is none."""
    if not leaving:
        return ""
    nodes = f"--nodelist={','.join(leaving)}"
    queue = told(["squeue", nodes, "--noheader", "--states=all", f"--format={JOB_FORMAT}"])
    complaint: str = refusal(holders(leaving, queue))
    return complaint


def set_state(names: list[str], *state: str) -> None:
    if names:
        told(["scontrol", "update", f"NodeName={','.join(names)}", *state])


def write(files: dict[str, str | None], directory: Path) -> None:
    for name, text in files.items():
        if text is None:
            (directory / name).unlink(missing_ok=True)
            continue
        new = directory / f".{name}.new"
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(directory / name)


def take_over(
    module: AnsibleModule, changed: dict[str, str | None], former: dict[str, str | None], *, reconfigure: bool
) -> None:
    """Write what changed and have a running slurmctld read it; put the former files back when it won't."""
    directory = Path(module.params["directory"])
    pending = directory / PENDING
    if changed:
        directory.mkdir(exist_ok=True)
        pending.touch()
        write(changed, directory)
    if reconfigure:
        answer = run(["scontrol", "reconfigure"], timeout=RECONFIGURE_TIMEOUT)
        if not answer.ok:
            write(former, directory)
            module.fail_json(msg=f"scontrol reconfigure: {answer.complaint()}; the former configuration was put back")
    pending.unlink(missing_ok=True)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "required": True},
            "reread": {"type": "bool", "default": False},
            "directory": {"type": "path", "default": "/etc/slurm"},
        },
        supports_check_mode=True,
    )
    wanted = {str(name): str(text) or None for name, text in module.params["files"].items()}
    files = {name: text for name, text in wanted.items() if text is not None}
    directory = Path(module.params["directory"])
    present = {
        name: (directory / name).read_text(encoding="utf-8") if (directory / name).exists() else None for name in wanted
    }
    changed = {name: text for name, text in wanted.items() if present[name] != text}
    running = run(["systemctl", "is-active", "--quiet", "slurmctld"]).ok
    pending = directory / PENDING
    stopping = stop_needed(present["slurm.conf"] or "", files["slurm.conf"]) if running else []
    if stopping:
        module.fail_json(
            msg=f"{', '.join(stopping)} can't change under a running slurmctld, and a restart could requeue jobs. "
            "Nothing was changed. In a maintenance window: systemctl stop slurmctld on the controllers, then run again"
        )
    if changed and Path(SLURMCTLD).exists() and (problems := try_out(files)):
        module.fail_json(msg=f"slurmctld refuses this configuration, nothing was changed: {'; '.join(problems)}")
    reconfigure = running and (bool(changed) or pending.exists() or module.params["reread"])
    try:
        nodes = nodes_change(files["slurm.conf"]) if running else Changes([], [], [])
        if not module.check_mode:
            set_state(nodes.undrain, "State=UNDRAIN")
            set_state(nodes.drain, "State=DRAIN", f"Reason={LEAVING_REASON}")
        objects = objection(nodes.leaving)
    except OSError as error:
        module.fail_json(msg=str(error))
    if objects and not module.check_mode:
        module.fail_json(msg=objects)
    if not module.check_mode:
        take_over(module, changed, {name: present[name] for name in changed}, reconfigure=reconfigure)
    module.exit_json(
        changed=bool(changed or nodes.drain or nodes.undrain) or reconfigure,
        drained=nodes.drain,
        reconfigured=reconfigure,
        gridmill_notes=[f"applied now, this would fail: {objects}"] if objects else [],
        diff=[
            {
                "before_header": f"{directory}/{name}",
                "after_header": f"{directory}/{name}",
                "before": present[name] or "",
                "after": text or "",
            }
            for name, text in changed.items()
        ]
        + [{"prepared": f"~{line}\n"} for line in setting_changes(present["slurm.conf"] or "", files["slurm.conf"])]
        + [
            {"prepared": f"+{what} {name}\n"}
            for what, names in (("drain", nodes.drain), ("undrain", nodes.undrain))
            for name in names
        ],
    )


if __name__ == "__main__":
    main()
