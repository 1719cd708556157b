#!/usr/bin/python
"""Ansible module: a machine whose plan names no directory asks none any more."""

from __future__ import annotations

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import run

DOCUMENTATION = r"""
module: ldap_removed
short_description: Ends what the role directory set up
description:
  - Where sssd's configuration is ours, stops sssd for good and removes the configuration, with the secret in it, the
    certificates, and the rules for logins. Its packages, its cache and people's homes stay.
  - Somebody else's sssd is left alone.
options:
  configuration:
    description: sssd's configuration; ours by its first line.
    type: path
    default: /etc/sssd/sssd.conf
  files:
    description: What goes with it.
    type: list
    elements: path
    default:
      - /etc/sssd/gridmill-directory.pem
      - /etc/ssh/sshd_config.d/20-gridmill-directory.conf
      - /etc/systemd/system/sssd.service.d/gridmill.conf
author: [Gridmill]
"""

EXAMPLES = r"""
- name: Ask no directory any more
  gridmill.site.ldap_removed:
"""

RETURN = r"""
left:
  description: Whether there was something of ours.
  returned: always
  type: bool
"""

OURS = "# Written by Gridmill."
FILES = (
    "/etc/sssd/gridmill-directory.pem",
    "/etc/ssh/sshd_config.d/20-gridmill-directory.conf",
    "/etc/systemd/system/sssd.service.d/gridmill.conf",
)
COMMANDS = (["systemctl", "disable", "--now", "sssd"], ["systemctl", "reload", "ssh"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "configuration": {"type": "path", "default": "/etc/sssd/sssd.conf"},
            "files": {"type": "list", "elements": "path", "default": list(FILES)},
        },
        supports_check_mode=True,
    )
    configuration = Path(module.params["configuration"])
    left = configuration.exists() and configuration.read_text(encoding="utf-8", errors="replace").startswith(OURS)
    if left and not module.check_mode:
        for path in map(Path, module.params["files"]):
            path.unlink(missing_ok=True)
        for command in COMMANDS:
            answer = run(command)
            if not answer.ok:
                module.fail_json(msg=f"{' '.join(command)}: {answer.complaint()}")
        configuration.unlink()  # last: as long as it is there, another run begins anew
    lines = [f"remove {path}" for path in (configuration, *module.params["files"])] if left else []
    module.exit_json(changed=left, left=left, diff={"prepared": "".join(f"+{line}\n" for line in lines)})


if __name__ == "__main__":
    main()
