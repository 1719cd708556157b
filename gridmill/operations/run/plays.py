"""From a document's roles to plays: what runs on which machines, in the order in which features placed it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from gridmill.operations.playbooks import COLLECTION

PLAYBOOK = "playbook.json"
"""Name of a playbook that was made from a document; JSON is YAML."""
EVERYBODY = "all"
PLAIN: Mapping[str, Any] = {
    "strategy": "linear",
    "gather_facts": False,
    "become": True,
    "any_errors_fatal": False,
}
"""Every play works on each machine by itself."""


def plays_of(roles: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Plays for roles in their order; those that follow each other on the same machines share one.

    The first play of all has the machines refuse a run that has lost the site's lease.
    """
    made = [_fence(_widest(roles))]
    for hosts, placed in groupby(roles, key=_hosts):
        group = list(placed)
        names = ", ".join(str(one["role"]) for one in group)
        made.append({"name": f"{names} on {hosts}", "hosts": hosts, **PLAIN, "roles": [_role(one) for one in group]})
    return made


def write_playbook(runtime: Path, roles: Sequence[Mapping[str, Any]]) -> Path:
    """The playbook of these roles, as a file in the run's directory in memory."""
    path = runtime / PLAYBOOK
    path.touch(mode=0o600)
    path.write_text(json.dumps(plays_of(roles)), encoding="utf-8")
    return path


def _hosts(role: Mapping[str, Any]) -> str:
    return str(role.get("hosts", EVERYBODY))


def _widest(roles: Sequence[Mapping[str, Any]]) -> str:
    """Every machine that any role runs on: a pattern over `all` where one has it, which verification always does."""
    patterns = [_hosts(role) for role in roles]
    return next((pattern for pattern in patterns if pattern.split(":")[0] == EVERYBODY), ":".join(patterns))


def _fence(hosts: str) -> dict[str, Any]:
    task = {
        "name": "Compare the run's fencing token with the newest that was seen here",
        f"{COLLECTION}.fence": {"token": "{{ fence_token | default(0) }}"},
    }
    return {"name": "Refuse a run that has lost the site", "hosts": hosts, **PLAIN, "tasks": [task]}


def _role(placed: Mapping[str, Any]) -> dict[str, Any]:
    """One role: in full where it is Gridmill's own, by its plain name where it comes with a feature from elsewhere."""
    name = placed["role"] if placed.get("feature") else f"{COLLECTION}.{placed['role']}"
    return {"role": name, **({"vars": placed["vars"]} if "vars" in placed else {})}
