"""The ledger: which machines of a pod were converged to what. It is kept on the controller, where every engineer's run
finds it, and says which machines a change concerns, and which are no longer planned.

One file per pod in /var/lib/gridmill/ledger (of the keys: in other/ there), written by the runner after each run,
readable by root only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gridmill.operations.document import ConvergeDocument
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root

DIRECTORY = "/var/lib/gridmill/ledger"
SCHEMA = "gridmill.ledger/v1"


@dataclass(frozen=True)
class Entry:
    """One machine: where it was reached, the digest of what it was converged to, and when.

    An empty digest stands for a run that has not ended well, or for a machine in maintenance: whatever comes next
    converges it.
    """

    address: str
    digest: str = ""
    at: str = ""
    reboot: str = ""
    """Why a reboot was due then; empty when none was."""


def host_digests(data: dict[str, Any], secrets: Mapping[str, str], versions: Mapping[str, str]) -> dict[str, str]:
    """Digest of all that decides what a run makes of each host: variables, secrets, roles, and what it is known by."""
    common = {
        "vars": data["vars"],
        "domain": data["domain"],
        "secrets": {name: hashlib.sha256(lasting(value).encode()).hexdigest() for name, value in secrets.items()},
    }
    everybody = frozenset(data["hosts"])
    roles = [(one, frozenset(members(one.get("hosts", "all"), data))) for one in data.get("roles", ())]
    concerned: dict[str, frozenset[str]] = {}
    for one, hosts in roles:
        concerned[f"role_{one['role']}"] = concerned.get(f"role_{one['role']}", frozenset()) | hosts
    groups = [(frozenset(group["hosts"]), group["vars"]) for group in data["groups"].values() if group.get("vars")]
    return {
        name: _digest(
            {
                **common,
                "runs": [data.get("playbook", ""), *(one for one, hosts in roles if name in hosts)],
                "versions": {key: value for key, value in versions.items() if name in concerned.get(key, everybody)},
                "host": host,
                "groups": [variables for members, variables in groups if name in members],
            }
        )
        for name, host in data["hosts"].items()
    }


def members(pattern: str, data: Mapping[str, Any]) -> set[str]:
    """Hosts of a document that an Ansible pattern of groups names: `gpu`, `compute:login`, `login:!compute`."""
    parts = pattern.split(":")
    named = {"all": set(data["hosts"]), **{key: set(group["hosts"]) for key, group in data["groups"].items()}}
    found = {host for part in parts if not part.startswith("!") for host in named.get(part, set())}
    return found - {host for part in parts if part.startswith("!") for host in named.get(part[1:], set())}


def lasting(secret: str) -> str:
    """What of a secret decides: of a set of keys the newest, as the older ones go away by themselves; else all."""
    try:
        keys = json.loads(base64.b64decode(secret))["keys"]
        newest: str = max(keys, key=lambda key: int(key["kid"]))["k"]
    except (ValueError, KeyError, TypeError):
        return secret
    return newest


def subset(data: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The document for these hosts only."""
    groups = {
        key: {**group, "hosts": [name for name in group["hosts"] if name in names]}
        for key, group in data["groups"].items()
    }
    return {**data, "groups": groups, "hosts": {name: host for name, host in data["hosts"].items() if name in names}}


def removal(data: dict[str, Any], removed: Mapping[str, Entry]) -> dict[str, Any]:
    """The document that takes machines out of service which are planned no longer."""
    hosts = {name: {"address": entry.address} for name, entry in removed.items()}
    return {**data, "hosts": hosts, "groups": {"compute": {"hosts": list(hosts)}}}


class Ledger:
    """The ledger of one pod, over SSH to the first controller."""

    def __init__(self, document: ConvergeDocument) -> None:
        """OperationError when the document names no controller."""
        controllers = document.data.get("controllers", {})
        if not controllers:
            raise OperationError(f"{document.scope}: the document names no controller to keep the ledger on")
        self._name, controller = next(iter(controllers.items()))
        self._address = controller["address"]
        self._connection = document.connection
        directory = DIRECTORY if document.decommission else f"{DIRECTORY}/other"
        self._path = f"{directory}/{document.scope}.json"

    def read(self) -> dict[str, Entry]:
        """Entries by host name; none when there is no ledger yet. OperationError when it cannot be read."""
        path = shlex.quote(self._path)
        text = self._run(f"if [ -e {path} ]; then cat {path}; else echo; fi")
        if not text.strip():
            return {}
        try:
            data = json.loads(text)
            if data["schema"] != SCHEMA:
                raise OperationError(
                    f"{self._name}: {self._path} has schema {data['schema']}, this runner knows {SCHEMA}"
                )
            return {name: Entry(**entry) for name, entry in data["hosts"].items()}
        except (ValueError, KeyError, TypeError) as error:
            raise OperationError(
                f"{self._name}: {self._path} is not a ledger ({error}); remove it to converge all"
            ) from error

    def write(self, entries: Mapping[str, Entry]) -> None:
        """Replace the ledger in one step."""
        hosts = {name: asdict(entry) for name, entry in sorted(entries.items())}
        path = shlex.quote(self._path)
        script = (
            f"umask 077 && mkdir -p $(dirname {path}) && cat > {path}.new && sync {path}.new && mv {path}.new {path}"
        )
        self._run(script, json.dumps({"schema": SCHEMA, "hosts": hosts}, indent=1))

    def remove(self) -> None:
        """Forget the pod."""
        self._run(f"rm -f {shlex.quote(self._path)}")

    def _run(self, script: str, stdin: str = "") -> str:
        return run_as_root(
            self._connection, self._name, self._address, ["sh", "-c", script], what="the ledger", stdin=stdin
        )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
