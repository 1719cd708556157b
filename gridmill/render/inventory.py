"""An Ansible inventory in YAML, for reading and for running a playbook by hand.

`pulumi up` does not use it: the runner's inventory plugin is faster, and its values are never templates. Here every
text is tagged `!unsafe`, which keeps it literal too.
"""

from __future__ import annotations

from typing import Any

import yaml

from gridmill.render.documents import Document

HEAD = """\
# Generated from the stack definition by `gridmill render`; do not edit.
# For reading, and for running a playbook by hand. Secrets are not in it: give the compute nodes' key with
# `--extra-vars @FILE` (slurm_compute_auth_key, base64 of the controller's /etc/slurm/slurm.key).
"""


class _Literal(str):
    """Text that Ansible must not take for a template."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes _Literal as `!unsafe`, and never an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeat rather than refer."""
        return True


def _represent(dumper: yaml.SafeDumper, value: _Literal) -> yaml.Node:
    return dumper.represent_scalar("!unsafe", str(value), style='"')


_Dumper.add_representer(_Literal, _represent)


def inventory_yaml(phases: dict[str, Document]) -> str:
    """One inventory over all phases of a site."""
    hosts: dict[str, Any] = {}
    groups: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for document in phases.values():
        variables |= document["vars"]
        for name, host in document["hosts"].items():
            hosts[name] = {
                "ansible_host": host["address"],
                "base_fqdn": f"{name}.{document['domain']}",
                "base_address": host["address"],
            }
        for name, group in document["groups"].items():
            merged = groups.setdefault(name, {"hosts": {}, "vars": {}})
            merged["hosts"] |= {name: {} for name in group["hosts"]}
            merged["vars"] |= group.get("vars", {})
    first = next(iter(phases.values()))["connection"]
    variables |= {"ansible_user": first["user"], "ansible_become": first["become"]}
    data = {"all": {"vars": variables, "hosts": hosts, "children": groups}}
    return HEAD + yaml.dump(_literal(data), Dumper=_Dumper, sort_keys=True, width=110, allow_unicode=True)


def _literal(value: Any) -> Any:
    """Every text among the values tagged; keys and the rest as they are."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return _Literal(value) if isinstance(value, str) and ("{" in value or "}" in value) else value
