"""The approved plan: what a preview found, bound to everything that it depends on, so that nothing else is applied.

It holds digests, names and what `gridmill ci preview` tells; in Pulumi's own update plan secrets are encrypted as
in the stack's state. docs/reference/approved-plan.md says what its keys mean.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from gridmill.compare.approval import SCHEMA, plan_digest
from gridmill.core.hostkeys import fingerprints
from gridmill.documents import documents
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.places import INSTALLED, TOOLKIT, project
from gridmill.operations.playbooks import PLACE, tree_digest
from gridmill.operations.record.journal import parse
from gridmill.operations.record.lease import Ask, ask_lease_host
from gridmill.operations.record.runs import revision
from gridmill.operations.stack_facts import known_hosts

CODE = () if INSTALLED else ("gridmill", "components", "ansible.cfg")
"""What of Gridmill decides beside the playbooks; an installed one is looked at whole."""
PROGRAM = ("__main__.py", "Pulumi.yaml", "requirements.txt", "features")
"""What of the project decides beside the stack and its inventory."""
PREVIEW_MODE = "GRIDMILL_PREVIEW"
"""`plan`: no machine is asked; see components/host_preview.py."""
PACKAGES = ("pulumi", "pulumi-command", "ansible-core")
SECRET = "4dabf18193072939515e22adb298388d"  # noqa: S105 - Pulumi's mark of a special value in a state
ACTORS = ("GITHUB_ACTOR", "GITLAB_USER_LOGIN")
"""Where forges say who started a pipeline."""
TIMEOUT_S = 300


def make_plan(
    plan: SitePlan, bound_to: dict[str, Any], report: dict[str, Any], update: dict[str, Any]
) -> dict[str, Any]:
    """The plan of a preview that found `report`, with Pulumi's own; `bound_to` is from before that preview."""
    now = datetime.now(UTC)
    made: dict[str, Any] = {
        "schema": SCHEMA,
        "simulated": plan.simulated,
        "made": {
            "at": now.isoformat(timespec="seconds"),
            "by": next(filter(None, map(os.environ.get, ACTORS)), getpass.getuser()),
            "machine": socket.gethostname(),
            "revision": revision(),
        },
        "until": (now + timedelta(seconds=plan.changes.plan_valid_s)).isoformat(timespec="seconds"),
        **bound_to,
        "report": report,
        "update": update,
    }
    return {**made, "digest": plan_digest(made)}


def write_plan(path: Path, plan: dict[str, Any]) -> None:
    """In one step, readable by this user only."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(json.dumps(plan, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_plan(path: Path) -> dict[str, Any]:
    """A plan from its file. OperationError for anything else, or another version."""
    try:
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = plan["schema"]
    except (ValueError, KeyError, TypeError) as error:
        reason = f"not JSON: {error}" if isinstance(error, ValueError) else "it has no `schema`"
        message = f"{path} is not an approved plan, which `gridmill ci preview --plan FILE` writes: {reason}"
        raise OperationError(message) from error
    if found != SCHEMA:
        raise OperationError(f"{path} has schema {found!r}, this version knows {SCHEMA!r}")
    return plan


def bound(definition: Definition, plan: SitePlan) -> dict[str, Any]:
    """All that a plan depends on and that is known without asking what would change on machines."""
    return {
        "site": plan.name,
        "contents": contents(plan.name, project()),
        "versions": versions(plan.name),
        "consent": dict(plan.changes.consent),
        "documents": document_digests(definition, plan),
        "state": resource_digests(exported_state(plan.name)),
        "journal": journal_end(plan),
    }


def contents(site: str, root: Path, toolkit: Path = TOOLKIT) -> dict[str, str]:
    """Digests of the project's stack file, program and what stands beside the stack, file by file; of playbooks; and of
    Gridmill's code."""
    beside = [path for path in sorted((root / "inventories" / site).rglob("*")) if path.is_file()]
    own = [root / f"Pulumi.{site}.yaml", *beside, *(root / name for name in PROGRAM)]
    playbooks, collection = toolkit / "playbooks", toolkit / "playbooks" / PLACE
    roles = {f"role {path.name}": path for path in sorted((collection / "roles").iterdir())}
    shared = {f"collection's {path.name}": path for path in sorted(collection.iterdir()) if path.name != "roles"}
    rest = {f"playbooks/{path.name}": path for path in sorted(playbooks.iterdir()) if path.name != PLACE.parts[0]}
    code = {name: toolkit / name for name in CODE} or {"gridmill": toolkit}
    found = {str(path.relative_to(root)): tree_digest([path], root) for path in own if path.exists()}
    parts = {**roles, **shared, **rest, **code}
    return found | {label: tree_digest([path], toolkit) for label, path in parts.items() if path.exists()}


def versions(site: str) -> dict[str, str]:
    """Of what runs: engine, packages, Python."""
    engine = run_pulumi_command(site, "version").strip()
    packages = {f"package {name}": metadata.version(name) for name in PACKAGES}
    return {"engine": engine, **packages, "Python": f"{sys.version_info.major}.{sys.version_info.minor}"}


def document_digests(definition: Definition, plan: SitePlan) -> dict[str, str]:
    """Digests of the converge documents by phase and part."""
    found: dict[str, str] = {}
    for scope, document in documents(plan, fingerprints(known_hosts(definition) or "")).items():
        parts: dict[str, Any] = {}
        for key, value in document.items():
            if key in {"hosts", "groups"}:
                kind = "machine" if key == "hosts" else "group"
                parts |= {f"{kind} {name}": one for name, one in value.items()}
            else:
                parts[key] = value
        found |= {f"document {scope}: {name}": _digest(value) for name, value in parts.items()}
    return found


def resource_digests(state: dict[str, Any]) -> dict[str, str]:
    """Digest of every resource in an exported state, by type and name; secrets count by when they were changed."""
    latest = state.get("deployment") or {}
    found = {}
    for one in latest.get("resources") or []:
        kind, name = one["urn"].split("::")[2].rpartition("$")[2], one["urn"].rpartition("::")[2]
        if not kind.startswith("pulumi:providers:"):
            told = [_without_secrets(one.get("inputs") or {}), one.get("modified", "")]
            found[f"resource {name} ({kind})"] = _digest(told)
    for one in latest.get("pending_operations") or []:
        found[f"unfinished {one['type']} of {one['resource']['urn'].rpartition('::')[2]}"] = _digest(one["type"])
    return found


def exported_state(stack: str) -> dict[str, Any]:
    """Pulumi's state of a stack, from whatever backend; secrets stay encrypted."""
    found: dict[str, Any] = json.loads(run_pulumi_command(stack, "stack", "export", "--stack", stack))
    return found


def journal_end(plan: SitePlan, ask: Ask | None = None) -> dict[str, Any]:
    """Number, hash and text of the journal's last line, or why it is not known (`unknown`).

    Like a preview it asks no machine where the site's SSH files are not, or when it is told to ask none.
    """
    try:
        entries = parse((ask or _lease_host(plan))({"action": "read", "last": 1})["journal"])
    except OperationError as error:
        return {"unknown": str(error), "n": 0, "hash": "", "last": ""}
    if not entries:
        return {"unknown": "", "n": 0, "hash": "", "last": ""}
    last = entries[-1]
    text = f"{last['at']} {last['who']}@{last['machine']} {last['scope']} {last['action']} {last['event']}"
    return {"unknown": "", "n": last["n"], "hash": last["hash"], "last": text}


def _lease_host(plan: SitePlan) -> Ask:
    """Asks the first controller; OperationError where it is not to be asked."""
    connection = plan_connection(plan)
    if os.environ.get(PREVIEW_MODE) == "plan":
        raise OperationError(f"no machine is asked: {PREVIEW_MODE} is plan")
    for path in (connection.identity_file, connection.known_hosts_file):
        if not path.exists():
            raise OperationError(f"no machine is asked: {path.name} of the site is not on this machine")
    controller = plan.with_service("controller")[0]
    return ask_lease_host(connection, controller.name, controller.address)


def no_pulumi(stack: str) -> str:
    """What to do without the engine, so that no stack gets the passphrase of another."""
    return f'pulumi is not on PATH; eval "$(.venv/bin/gridmill engine env --stack {stack})"'


def run_pulumi_command(stack: str, *arguments: str) -> str:
    """Standard output of a short command of Pulumi's, for work on `stack`; OperationError with its complaint."""
    try:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"], cwd=project(), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise OperationError(no_pulumi(stack)) from error
    except subprocess.TimeoutExpired as error:
        raise OperationError(f"pulumi {arguments[0]} did not end within {TIMEOUT_S} s") from error
    if done.returncode:
        raise OperationError(f"pulumi {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if SECRET in value:
            return "[secret]"
        return {key: _without_secrets(one) for key, one in value.items()}
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]
