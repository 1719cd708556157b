"""An Ansible inventory in YAML: what every machine of a site gets, to read and to review.

Nothing runs from it: the runner's inventory plugin is faster, and its values are never templates. Text that looks like
one is tagged `!unsafe` here, so that it would stay text all the same.
"""

from __future__ import annotations

from typing import Any

import yaml

from gridmill.documents import Document

HEAD = """\
# Generated from the stack definition by `gridmill render`; do not edit. It is for reading: what every machine gets.
# To run one phase by hand:
# gridmill document <site> <phase> | .venv/bin/python -m gridmill.operations.converge check|apply
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
                **({"base_address6": host["address6"]} if "address6" in host else {}),
                "base_serial": host.get("serial", ""),
                "base_mac": host.get("mac", ""),
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
