# Inventory plugin: a converge document that the runner wrote, with the secrets beside it; or a whole site, as the
# command `gridmill inventory` has it, for Ansible that is typed by hand.
# Values set by an inventory plugin are untrusted for Ansible: a template in them stays text.
from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: gridmill.site.gridmill
short_description: Hosts and variables of a Gridmill site
description:
  - From C(gridmill.yml), which names the stack, it gives the whole site, for Ansible that is typed by hand.
  - From C(gridmill.json), a converge document, it gives what one phase of a run works on, with C(secrets.json) beside
    it when there is one.
  - Host keys are checked against the file that the stack names; values are text, never templates.
  - Per host it sets the address, C(base_fqdn), C(base_address), C(base_serial), C(base_mac) and, where one is planned,
    C(base_address6); everything else is said once per group.
options:
  plugin:
    description: Names this plugin.
    required: true
    choices: [gridmill.site.gridmill]
  stack:
    description: The stack definition, relative to the file that names it.
    type: str
    required: true
  secrets:
    description:
      - Also set the secrets that roles need. Those that one machine makes for others are read from it over SSH, others
        from the environment, C(GRIDMILL_SECRET_<VARIABLE>). C(ansible-inventory --list) prints them.
    type: bool
    default: false
    env:
      - name: GRIDMILL_INVENTORY_SECRETS
"""

CONNECT_TIMEOUT_S = 10
WORKED_ON = "machines"
"""Group of the machines that the phase works on; controllers may stand beside them only to be asked for something."""
GROUPS = ("controllers", "login", "storage", "moosefs", "nfs", "gpu", "compute")
"""Groups that every play may name; an inventory without such machines has them empty."""


class InventoryModule(BaseInventoryPlugin):
    NAME = "gridmill.site.gridmill"

    def verify_file(self, path: str) -> bool:
        endings = ("gridmill.json", "gridmill.yml", "gridmill.yaml")
        return bool(super().verify_file(path)) and Path(path).name.endswith(endings)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        if not path.endswith(".json"):
            self._read_config_data(path)
            found = self._whole_site((Path(path).parent / self.get_option("stack")).resolve())
            self._fill(found, found.get("secrets", {}))
            return
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            secrets_file = Path(path).parent / "secrets.json"
            secrets = json.loads(secrets_file.read_text(encoding="utf-8")) if secrets_file.exists() else {}
            self._fill(document, secrets)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnsibleParserError(f"{path} is not a converge document: {error!r}") from error

    def _whole_site(self, stack: Path) -> dict[str, Any]:
        """The site of a stack definition, planned by another process: problems come as that one words them."""
        secrets = ["--secrets"] if self.get_option("secrets") else []
        command = [sys.executable, "-m", "gridmill.operations.cli", "inventory", str(stack), *secrets]
        try:
            done = subprocess.run(command, cwd=stack.parent, capture_output=True, text=True, check=False)
            if done.returncode:
                hint = "; use the Ansible of the project's .venv" if "No module named gridmill" in done.stderr else ""
                raise AnsibleParserError(f"{stack.name} gives no inventory: {done.stderr.strip()}{hint}")
            found: dict[str, Any] = json.loads(done.stdout)
        except (OSError, ValueError) as error:
            raise AnsibleParserError(f"{stack} gives no inventory: {error}") from error
        return found

    def _fill(self, document: dict[str, Any], secrets: dict[str, str]) -> None:
        connection = document["connection"]
        options = {
            "UserKnownHostsFile": connection["knownHostsFile"],
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": CONNECT_TIMEOUT_S,
            "ServerAliveInterval": 15,
            "ServerAliveCountMax": 4,
        }
        arguments = shlex.join(["-F", "/dev/null", *(f"-o{name}={value}" for name, value in options.items())])
        site_wide = {
            **document["vars"],
            **secrets,
            "ansible_user": connection["user"],
            "ansible_ssh_private_key_file": connection["identityFile"],
            "ansible_ssh_common_args": arguments,
            "ansible_become": connection["become"],
        }
        for name, value in site_wide.items():
            self.inventory.set_variable("all", name, value)
        self.inventory.add_group(WORKED_ON)
        for name, host in document["hosts"].items():
            self._host(name, host, document["domain"], WORKED_ON)
            self.inventory.set_variable(name, "base_serial", host.get("serial", ""))
            self.inventory.set_variable(name, "base_mac", host.get("mac", ""))
            for variable, value in host.get("vars", {}).items():
                self.inventory.set_variable(name, variable, value)
        for group_name in GROUPS:
            self.inventory.add_group(group_name)
        for name, host in document.get("controllers", {}).items():
            self._host(name, host, document["domain"], "controllers")
        for name, group in document["groups"].items():
            self.inventory.add_group(name)
            members = self.inventory.groups[name]
            for host_name in group["hosts"]:
                members.add_host(self.inventory.hosts[host_name])
            for variable, value in group.get("vars", {}).items():
                self.inventory.set_variable(name, variable, value)

    def _host(self, name: str, host: dict[str, str], domain: str, group: str) -> None:
        """One machine. Its variables are set directly, untrusted as they are: `set_variable` looks up and tags each,
        which at 10,000 machines takes longer than all the rest."""
        self.inventory.add_host(name, group=group)
        own = {"ansible_host": host["address"], "base_fqdn": f"{name}.{domain}", "base_address": host["address"]}
        own |= {"base_address6": host["address6"]} if "address6" in host else {}
        self.inventory.hosts[name].vars.update(own)
