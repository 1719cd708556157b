"""`gridmill inventory`: all phases of a site as one inventory, for plain Ansible through our inventory plugin.

A phase's document says what one run of a playbook needs. Here they are joined: groups and their variables as far as all
phases agree, and beside a machine what phases say differently of it.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gridmill.core.hostkeys import fingerprints
from gridmill.documents import Document, documents, phase_of
from gridmill.kernel.definition import Definition
from gridmill.operations.document import read_document
from gridmill.operations.hosts.ssh import carried_secrets
from gridmill.operations.local_files import require_files
from gridmill.operations.playbooks import COLLECTION
from gridmill.operations.roles import role_directory
from gridmill.operations.stack_facts import known_hosts
from gridmill.plan import plan_site

SCHEMA = "gridmill.inventory/v1"
SECRET = "GRIDMILL_SECRET_"  # noqa: S105 - how names of variables begin
ROLES = "gridmill_roles"
"""Variable of a machine: its roles by phase, in their order; playbooks/site.yml runs them."""
ALL = ""
"""Stands for the group of all machines of a phase."""

Assigned = dict[tuple[str, str], Any]
"""Values by group and variable."""


def add_inventory_arguments(command: argparse.ArgumentParser) -> None:
    """Arguments of `gridmill inventory`."""
    command.add_argument(
        "--secrets",
        action="store_true",
        help="with what roles need and no file may hold: it is read from the controller",
    )


def inventory(definition: Definition, *, secrets: bool = False) -> dict[str, Any]:
    """The inventory as plain data, in the form of a phase's document; `secrets` are read from machines and environment.

    OperationError when a secret cannot be read.
    """
    plan = plan_site(definition)
    phases = documents(plan, fingerprints(known_hosts(definition) or ""))
    found = joined(phases)
    if secrets:
        require_files(plan)
        found["secrets"] = {
            name.removeprefix(SECRET).lower(): value for name, value in os.environ.items() if name.startswith(SECRET)
        }
        for document in phases.values():
            if document.get("carry"):
                found["secrets"] |= carried_secrets(read_document(json.dumps(document)))
    return found


def joined(phases: Mapping[str, Document]) -> dict[str, Any]:
    """All phases of a site in one."""
    first = read_document(json.dumps(next(iter(phases.values()))))  # paths of this machine
    hosts: dict[str, Any] = {}
    members: dict[str, dict[str, None]] = {}
    for document in phases.values():
        for name, host in document["hosts"].items():
            hosts.setdefault(name, {}).update(host)
        for name, group in document["groups"].items():
            members.setdefault(name, {}).update(dict.fromkeys(group["hosts"]))
    agreed, disputed = agreement(phases)
    for document in phases.values():
        for name, variable, value in _of_hosts(document, disputed):
            own = hosts[name].setdefault("vars", {})
            own[variable] = both(own[variable], value) if variable in own else value
    for document in phases.values():
        phase = phase_of(document["scope"]).name
        for placed in document.get("roles", ()):
            role = {"role": role_name(placed), "vars": placed.get("vars", {})}
            for name in matching(placed.get("hosts", "all"), document):
                own = hosts[name].setdefault("vars", {})
                own.setdefault(ROLES, {}).setdefault(phase, []).append(role)
    return {
        "schema": SCHEMA,
        "site": first.site,
        "domain": first.data["domain"],
        "connection": first.data["connection"],
        "vars": {variable: value for (group, variable), value in agreed.items() if group == ALL},
        "hosts": hosts,
        "groups": {
            name: {"hosts": list(names), "vars": {key: agreed[group, key] for group, key in agreed if group == name}}
            for name, names in members.items()
        },
    }


def agreement(phases: Mapping[str, Document]) -> tuple[Assigned, set[str]]:
    """What all phases say of a group, and the variables of which phases or groups say different things."""
    agreed: Assigned = {}
    disputed: set[str] = set()
    seen: dict[str, dict[str, Any]] = defaultdict(dict)
    for document in phases.values():
        for group, variables in _groups(document):
            for variable, value in variables.items():
                if agreed.setdefault((group, variable), value) != value:
                    disputed.add(variable)
        for name, variable, value in _of_hosts(document):
            if seen[name].setdefault(variable, value) is not value and seen[name][variable] != value:
                disputed.add(variable)
    return {key: value for key, value in agreed.items() if key[1] not in disputed}, disputed


def role_name(placed: Mapping[str, Any]) -> str:
    """A role as Ansible finds it: of Gridmill's collection, or the folder of a feature from elsewhere."""
    if feature := placed.get("feature"):
        return str(role_directory(placed["role"], feature))
    return f"{COLLECTION}.{placed['role']}"


def matching(pattern: str, document: Document) -> list[str]:
    """The machines of a phase that a placement's pattern names, such as `gpu:!controllers`."""
    members: dict[str, Iterable[str]] = {name: group["hosts"] for name, group in document["groups"].items()}
    members |= {"all": document["hosts"]}
    members["controllers"] = [*members.get("controllers", ()), *document.get("controllers", {})]
    wanted: set[str] = set()
    for part in sorted(pattern.split(":"), key=lambda one: one.startswith("!")):  # what is left out, last
        found = set(members.get(part.removeprefix("!"), ()))
        wanted = wanted - found if part.startswith("!") else wanted | found
    return [name for name in document["hosts"] if name in wanted]


def both(before: Any, after: Any) -> Any:
    """What two phases say of a machine: of lists everything once, of anything else the later."""
    if isinstance(before, list) and isinstance(after, list):
        return before + [item for item in after if item not in before]
    return after


def _groups(document: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield ALL, document["vars"]
    for name, group in document["groups"].items():
        yield name, group.get("vars", {})


def _of_hosts(document: Document, only: set[str] | None = None) -> Iterator[tuple[str, str, Any]]:
    """Machine, variable and value: everything that a phase says of its machines, or of some variables."""
    for group, variables in _groups(document):
        names = document["hosts"] if group == ALL else document["groups"][group]["hosts"]
        for variable, value in variables.items():
            if only is None or variable in only:
                for name in names:
                    yield name, variable, value
