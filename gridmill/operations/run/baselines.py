"""Baselines: the state of every machine after a run that went well, and whether it is still the same.

The drift check, which looks at everything at once, is part of the modules' shared code
(module_utils/drift). Recording a baseline brings it to the machine, compiled there, together with the
modules of ours that it calls; later a few hundred bytes over one SSH connection start it.
"""

from __future__ import annotations

import base64
import io
import json
import shlex
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.operations.digests import phase_digests
from gridmill.operations.document import Connection, ConvergeDocument
from gridmill.operations.hosts.many import Call, Outcome, call_all
from gridmill.operations.places import PLAYBOOKS
from gridmill.operations.playbooks import PLACE
from gridmill.operations.record.ledger import host_digests

SCHEMA = "gridmill.baseline/v1"
PROGRAM = """\
import json, os, sys
PLACE = "/var/lib/gridmill/drift-check.zip"
request = json.loads({request!r})
if code := request.pop("code", None):
    import base64, importlib.util, io, marshal, zipfile
    os.umask(0o077)
    os.makedirs(os.path.dirname(PLACE), mode=0o700, exist_ok=True)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(code))) as given, zipfile.ZipFile(PLACE + ".new", "w") as place:
        for name in given.namelist():
            text = given.read(name)
            compiled = marshal.dumps(compile(text, name, "exec"))
            place.writestr(name, text)
            head = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(text)
            place.writestr(name + "c", head + compiled)
    os.replace(PLACE + ".new", PLACE)
sys.path.insert(0, PLACE)
try:
    from ansible_collections.gridmill.site.plugins.module_utils.drift import check
except ModuleNotFoundError:  # nothing is recorded here, or nothing that this version could compare with
    answer = {{"schema": "{schema}", "scopes": {{}}}}
else:
    answer = check.answer_to(request)
print(json.dumps(answer))
"""
"""What runs on a machine; Python reads it from its standard input."""


@dataclass(frozen=True)
class Recorded:
    """One scope on one machine, as the drift check found it."""

    digest: str
    plan: str
    """Digest of what was planned, without secrets, so that a run that has none of them can compare."""
    at: str
    items: int
    differences: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """What one machine said. `complaint` is empty when it answered."""

    complaint: str = ""
    unreachable: bool = False
    scopes: dict[str, Recorded] = field(default_factory=dict)
    refused: tuple[dict[str, str], ...] = ()
    """Why it was not recorded."""


def told(difference: Mapping[str, str]) -> str:
    """A difference on one line."""
    name = difference["name"].partition(" ")[0] if difference["kind"] == "module" else difference["name"]
    return f"{difference['kind']} {name}: {difference['found']}"


def wanted_digests(data: dict[str, Any], secrets: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """By host, the digest of all that decides what a run makes of it, and the same without secrets.

    Not of its host key, as in the ledger: a machine that was replaced has no baseline.
    """
    versions = phase_digests(data)
    hosts = {name: {**host, "hostKey": ""} for name, host in data["hosts"].items()}
    data = {**data, "hosts": hosts}
    whole, plan = host_digests(data, secrets, versions), host_digests(data, {}, versions)
    return {name: (whole[name], plan[name]) for name in whole}


def check_all(
    connection: Connection,
    addresses: Mapping[str, str],
    wanted: Mapping[str, Mapping[str, str]] | None = None,
    *,
    invalidate: bool = False,
) -> dict[str, Answer]:
    """Compare machines with their baselines. `wanted` are digests by host and scope (None: all); with `invalidate`, a
    baseline that differs is removed."""
    requests = {
        name: {"action": "compare", "invalidate": invalidate, "digests": None if wanted is None else dict(wanted[name])}
        for name in addresses
    }
    return _ask(connection, addresses, requests)


def forget_all(connection: Connection, addresses: Mapping[str, str], scope: str) -> dict[str, Answer]:
    """Remove the baselines of a scope, before a run changes the machines."""
    return _ask(connection, addresses, {name: {"action": "forget", "scopes": [scope]} for name in addresses})


def record_all(
    document: ConvergeDocument,
    items: Mapping[str, list[dict[str, Any]]],
    digests: Mapping[str, tuple[str, str]],
) -> dict[str, Answer]:
    """Record baselines of machines with their items; where a digest is missing, only what other scopes share is
    refreshed."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    code = base64.b64encode(program_code()).decode()
    requests = {}
    for name, found in items.items():
        digest, plan = digests.get(name, ("", ""))
        requests[name] = {
            "action": "baseline", "code": code, "scope": document.scope, "at": at,
            "digest": digest, "plan": plan, "items": found,
        }  # fmt: skip
    return _ask(document.connection, {name: document.addresses[name] for name in items}, requests)


def program_code(playbooks: Path = PLAYBOOKS) -> bytes:
    """The drift check and our modules as an archive; the same for the same checkout."""
    plugins = playbooks / PLACE / "plugins"
    sources = [path for kind in ("modules", "module_utils") for path in plugins.glob(f"{kind}/**/*.py")]
    texts = {str(path.relative_to(playbooks / PLACE.parts[0])): path.read_text(encoding="utf-8") for path in sources}
    stand_in = "ansible_collections.gridmill.site.plugins.module_utils.drift.stand_in"
    texts["ansible/module_utils/basic.py"] = f"from {stand_in} import AnsibleModule\n"
    packages = {str(parent) for name in texts for parent in PurePosixPath(name).parents} - {"."}
    texts = {**{f"{package}/__init__.py": "" for package in packages}, **texts}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(texts.items()):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def program(request: Mapping[str, Any]) -> bytes:
    """The program for one machine."""
    return PROGRAM.format(request=json.dumps(request), schema=SCHEMA).encode()


def _ask(
    connection: Connection, addresses: Mapping[str, str], requests: Mapping[str, Mapping[str, Any]]
) -> dict[str, Answer]:
    remote = shlex.join([*(["sudo", "-n"] if connection.become else []), "python3", "-I", "-S", "-"])
    calls = {name: Call(addresses[name], remote, program(request)) for name, request in requests.items()}
    return {name: read_answer(outcome) for name, outcome in call_all(connection, calls).items()}


def read_answer(outcome: Outcome) -> Answer:
    """What a machine answered; anything else is a complaint."""
    if outcome.status:
        return Answer(outcome.complaint, outcome.unreachable)
    try:
        data = json.loads(outcome.output)
        if data["schema"] != SCHEMA:
            return Answer(f"its drift check answers with schema {data['schema']}, expected {SCHEMA}")
        scopes = {
            name: Recorded(one["digest"], one["plan"], one["at"], one["items"], tuple(one["differences"]))
            for name, one in data.get("scopes", {}).items()
        }
        return Answer(scopes=scopes, refused=() if data.get("recorded", True) else tuple(data["differences"]))
    except (ValueError, KeyError, TypeError) as error:
        return Answer(f"its answer cannot be read: {error!r}")


class HostSelection:
    """Which machines of a phase a run is for."""

    def __init__(self, document: ConvergeDocument, secrets: Mapping[str, str], say: Callable[[str], None]) -> None:
        """`say` tells people.

        Roles work on each machine by itself, so one that matches its baseline, or does not answer, can be skipped. With
        a playbook of the phase's own none is skipped: keys are not rotated past a machine that is away.
        """
        self.document = document
        self.say = say
        self.applies = document.playbook is None
        self.digests = wanted_digests(document.data, secrets) if self.applies else {}
        self.clean: dict[str, int] = {}
        """Machines that match their baselines, with how many items were looked at."""
        self.unreachable: dict[str, str] = {}
        self.slurm_drifted = False
        """Whether slurmctld works with another configuration than after the last run, on any of them."""

    def select(self, names: set[str], *, compare: bool, invalidate: bool) -> set[str]:
        """The machines among `names` that Ansible is needed for. With `invalidate`, their baselines are gone."""
        if not self.applies or not names or not (compare or invalidate):
            return names
        addresses = {name: self.document.addresses[name] for name in sorted(names)}
        scope = self.document.scope
        if compare:
            wanted = {name: {scope: self.digests[name][0]} for name in addresses}
            answers = check_all(self.document.connection, addresses, wanted, invalidate=invalidate)
        else:
            answers = forget_all(self.document.connection, addresses, scope)
        for name, answer in answers.items():
            recorded = answer.scopes.get(scope) if compare else None
            if answer.unreachable:
                self.unreachable[name] = answer.complaint
            elif recorded and recorded.digest == self.digests[name][0] and not recorded.differences:
                self.clean[name] = recorded.items
            elif recorded:
                self._tell(name, recorded)
        return names - set(self.clean) - set(self.unreachable)

    def _tell(self, name: str, recorded: Recorded) -> None:
        if recorded.digest != self.digests[name][0]:
            self.say(f"{name}: the plan differs from what it was converged to")
        for difference in recorded.differences:
            self.slurm_drifted |= difference["kind"] == "slurm"
            self.say(f"{name}: {told(difference)}")

    def baseline(self, items: Mapping[str, list[dict[str, Any]]]) -> None:
        """Record baselines of machines after a run that went well there; say once for each reason where it failed."""
        if not items:
            return
        failed: dict[str, list[str]] = {}
        for name, answer in record_all(self.document, items, self.digests).items():
            why = answer.complaint or "; ".join(told(one) for one in answer.refused)
            if why:
                failed.setdefault(why, []).append(name)
        for why, names in failed.items():
            self.say(f"no baseline of {', '.join(fold(names))}, so drift there is not seen until the next run: {why}")
