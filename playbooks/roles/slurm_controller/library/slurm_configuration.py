#!/usr/bin/python
"""Ansible module: a Slurm configuration that was tried before it is put in force."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.gridmill_node.commands import run
from ansible.module_utils.gridmill_node.slurm_config import (
    TRIAL_ADDRESS,
    TRIED,
    complaints,
    settings,
    stop_needed,
    trial,
    trial_hosts,
)

DOCUMENTATION = r"""
module: slurm_configuration
short_description: Tries, writes and puts in force a Slurm configuration
description:
  - A changed configuration is first tried by a real slurmctld in namespaces of its own (no network, no /run, its own
    state), in check mode too. What it refuses is never written.
  - A running slurmctld then takes it over by C(scontrol reconfigure); if it does not, the old files are put back.
  - Never restarts slurmctld. A change that would need a restart fails and says so.
  - An interrupted run leaves a mark, so that the next one reconfigures although the files are already right.
options:
  files:
    description: Text per file name; C(slurm.conf) is one of them.
    type: dict
    required: true
  directory:
    description: Where the files are kept.
    type: path
    default: /etc/slurm
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Put the configuration in force
  slurm_configuration:
    files:
      slurm.conf: "{{ lookup('ansible.builtin.template', 'slurm.conf.j2') }}"
"""

RETURN = r"""
reconfigured:
  description: Whether a running slurmctld took the configuration over.
  returned: always
  type: bool
"""


SLURMCTLD = "/usr/sbin/slurmctld"
# --kill-child of unshare is lost when the user changes, so setpriv asks for it again: no trial outlives its run
TRIAL_TIMEOUT = 60.0
RECONFIGURE_TIMEOUT = 120.0
PENDING = ".reconfigure-pending"
ENTER = (
    "mount -t tmpfs tmpfs /run && mount --bind {hosts} /etc/hosts"
    " && ip link set lo up && ip address add {address}/32 dev lo"
    " && exec setpriv --reuid={user} --regid={user} --init-groups --pdeathsig KILL {slurmctld} -D -c -f {configuration}"
)


def try_out(files: dict[str, str], directory: Path) -> list[str]:
    """Start a slurmctld on the configuration, apart from everything real; why it refused, or nothing."""
    text = files["slurm.conf"]
    user = settings(text).get("slurmuser", ["root"])[0]
    owner = pwd.getpwnam(user)
    with tempfile.TemporaryDirectory(prefix="slurm-trial-") as name:
        place = Path(name)
        place.chmod(0o755)
        for file, content in {**files, "hosts": trial_hosts(text, socket.gethostname())}.items():
            (place / file).write_text(content, encoding="utf-8")
        (place / "slurm.conf").write_text(trial(text, f"{name}/state"), encoding="utf-8")
        (place / "state").mkdir()
        key = place / "slurm.key"
        if (directory / "slurm.key").exists():
            shutil.copyfile(directory / "slurm.key", key)
        else:
            key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        for path in (place / "state", key):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        return _watch(
            ENTER.format(
                hosts=place / "hosts",
                address=TRIAL_ADDRESS,
                user=user,
                slurmctld=SLURMCTLD,
                configuration=place / "slurm.conf",
            )
        )


def _watch(script: str) -> list[str]:
    namespaces = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    lines: list[str] = []
    with subprocess.Popen(
        [*namespaces, "sh", "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        timer = threading.Timer(TRIAL_TIMEOUT, process.kill)
        timer.start()
        try:
            for line in process.stderr or []:
                lines.append(line)
                if TRIED in line:
                    return []
        finally:
            timer.cancel()
            process.kill()
    return complaints(lines) or [f"slurmctld said nothing within {TRIAL_TIMEOUT:g} s"]


def write(files: dict[str, str | None], directory: Path) -> None:
    for name, text in files.items():
        if text is None:
            (directory / name).unlink(missing_ok=True)
            continue
        new = directory / f".{name}.new"
        new.write_text(text, encoding="utf-8")
        new.chmod(0o644)
        new.replace(directory / name)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "dict", "required": True},
            "directory": {"type": "path", "default": "/etc/slurm"},
        },
        supports_check_mode=True,
    )
    files = {str(name): str(text) for name, text in module.params["files"].items()}
    directory = Path(module.params["directory"])
    present = {
        name: (directory / name).read_text(encoding="utf-8") if (directory / name).exists() else None for name in files
    }
    changed = {name: text for name, text in files.items() if present[name] != text}
    running = run(["systemctl", "is-active", "--quiet", "slurmctld"]).ok
    pending = directory / PENDING
    stopping = stop_needed(present["slurm.conf"] or "", files["slurm.conf"]) if running else []
    if stopping:
        module.fail_json(
            msg=f"{', '.join(stopping)} can't change under a running slurmctld, and a restart could requeue jobs. "
            "Nothing was changed. In a maintenance window: systemctl stop slurmctld on the controllers, then run again"
        )
    if changed and Path(SLURMCTLD).exists() and (problems := try_out(files, directory)):
        module.fail_json(msg=f"slurmctld refuses this configuration, nothing was changed: {'; '.join(problems)}")
    reconfigure = running and (bool(changed) or pending.exists())
    if not module.check_mode:
        if changed:
            directory.mkdir(exist_ok=True)
            pending.touch()
            write(dict(changed), directory)
        if reconfigure:
            answer = run(["scontrol", "reconfigure"], timeout=RECONFIGURE_TIMEOUT)
            if not answer.ok:
                write({name: present[name] for name in changed}, directory)
                module.fail_json(
                    msg=f"scontrol reconfigure: {answer.complaint()}; the former configuration was put back"
                )
        pending.unlink(missing_ok=True)
    module.exit_json(
        changed=bool(changed) or reconfigure,
        reconfigured=reconfigure,
        diff=[
            {
                "before_header": f"{directory}/{name}",
                "after_header": f"{directory}/{name}",
                "before": present[name] or "",
                "after": text,
            }
            for name, text in changed.items()
        ],
    )


if __name__ == "__main__":
    main()
