# Inventory plugin: reads the converge document that the runner wrote, and the secrets beside it.
# Values set by an inventory plugin are untrusted for Ansible: a template in them stays text.
from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: gridmill.site.gridmill
short_description: Hosts and variables from a Gridmill converge document
description:
  - Reads C(gridmill.json), a converge document, and C(secrets.json) beside it when there is one.
  - Per host it sets the address, C(base_fqdn), C(base_address), C(base_serial), C(base_mac) and, where one is planned,
    C(base_address6); everything else is said once per group.
options: {}
"""

CONNECT_TIMEOUT_S = 10
WORKED_ON = "machines"
"""Group of the machines that the phase works on; controllers may stand beside them only to be asked for something."""
GROUPS = ("controllers", "login", "storage", "moosefs", "nfs", "gpu", "compute")
"""Groups that every play may name; an inventory without such machines has them empty."""


class InventoryModule(BaseInventoryPlugin):
    NAME = "gridmill.site.gridmill"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and Path(path).name.endswith("gridmill.json")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
            secrets_file = Path(path).parent / "secrets.json"
            secrets = json.loads(secrets_file.read_text(encoding="utf-8")) if secrets_file.exists() else {}
            self._fill(document, secrets)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AnsibleParserError(f"{path} is not a converge document: {error!r}") from error

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
