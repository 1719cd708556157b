"""The converge document as the runner receives it: checked for shape, with paths of this machine filled in."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridmill.documents import SCHEMA
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.directories import on_this_machine
from gridmill.operations.errors import OperationError

_NAME = re.compile(r"[a-z](-?[a-z0-9])*\Z")
_PLAYBOOK = re.compile(r"[a-z_]+\.yml\Z")


@dataclass(frozen=True)
class Carry:
    """A secret file on a host that other hosts of the document need."""

    host: str
    path: str
    variable: str


@dataclass(frozen=True)
class Connection:
    """How hosts are reached."""

    user: str
    identity_file: Path
    known_hosts_file: Path
    become: bool


@dataclass(frozen=True)
class ConvergeDocument:
    """A checked document; `data` is what the inventory plugin gets."""

    site: str
    scope: str
    playbook: str | None
    """Of the phase's own; None where it runs roles."""
    decommission: str | None
    connection: Connection
    carry: tuple[Carry, ...]
    addresses: dict[str, str]
    """Address of every host that a connection may be opened to."""
    data: dict[str, Any]

    def feature_of(self, role: str) -> str:
        """The feature from elsewhere that brings a role; empty for Gridmill's own."""
        return next((str(one.get("feature", "")) for one in self.data.get("roles", ()) if one["role"] == role), "")

    @property
    def hosts(self) -> list[str]:
        """Hosts that the playbook works on."""
        return list(self.data["hosts"])


def read_document(text: str) -> ConvergeDocument:
    """Parse what came in on standard input. OperationError when it is not a converge document of this version."""
    try:
        data = json.loads(text)
        if data["schema"] != SCHEMA:
            raise OperationError(f"the document has schema {data['schema']!r}, this runner knows {SCHEMA!r}")
        connection = data["connection"]
        paths = {key: on_this_machine(connection[key]) for key in ("identityFile", "knownHostsFile")}
        document = ConvergeDocument(
            site=_checked(data["site"], _NAME),
            scope=_checked(data["scope"], _NAME),
            playbook=_checked(data["playbook"], _PLAYBOOK) if "playbook" in data else None,
            decommission=_checked(data["decommission"], _PLAYBOOK) if "decommission" in data else None,
            connection=Connection(
                connection["user"], paths["identityFile"], paths["knownHostsFile"], connection["become"]
            ),
            carry=tuple(Carry(**item) for item in data.get("carry", ())),
            addresses={
                name: host["address"] for name, host in {**data["hosts"], **data.get("controllers", {})}.items()
            },
            data=data,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(f"standard input is not a converge document: {error!r}") from error
    connection.update({key: str(path) for key, path in paths.items()})
    return document


def plan_connection(plan: SitePlan) -> Connection:
    """The connection of a plan, with paths of this machine."""
    access = plan.access
    return Connection(
        access.bootstrap_user,
        on_this_machine(access.identity_file),
        on_this_machine(access.known_hosts_file),
        access.bootstrap_user != "root",
    )


def _checked(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.match(value):
        raise ValueError(f"{value!r} is not allowed here")
    return value
