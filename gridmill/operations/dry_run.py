"""What a phase would change, for `pulumi preview`: Ansible's check mode over the machines that a change concerns.

Started by the preview hook as `python -m gridmill.operations.dry_run`, with `{"document": ..., "before": ...}` on
standard input (`before`: the document that was applied last, or null). Prints one JSON line, whatever it finds;
machines that don't answer are named, and nothing is changed on any. Secrets come in as for operations.converge.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gridmill.core.impact import DRAIN, LIVE, RECONFIGURE, REPROVISION, affects_jobs, worst
from gridmill.operations.converge import DIGEST_PREFIX, SECRET_PREFIX, take
from gridmill.operations.document import ConvergeDocument, read_document
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.reach import unreachable
from gridmill.operations.preview.impact import Impact, impact_of
from gridmill.operations.preview.limit import time_limit
from gridmill.operations.record.ledger import subset
from gridmill.operations.run.drifted import Drifted
from gridmill.operations.run.phase import PhaseRun, masked
from gridmill.operations.run.results import CONNECT, HostResult
from gridmill.operations.run.supervise import die_with_parent
from gridmill.operations.slurm.jobs import running_jobs
from gridmill.report.predicted_changes import predicted_text

SCHEMA = "gridmill.dry_run/v1"
REPORT = "GRIDMILL_PREVIEW_REPORT"
"""Directory into which every phase of a preview also writes what it predicted, for `gridmill ci preview`."""
WOULD_FAIL = "applied now, this would fail"
"""How modules say in check mode that a run would stop here."""


class DryRun(PhaseRun):
    """One phase in check mode over those machines that answer."""

    def __init__(
        self, document: ConvergeDocument, before: dict[str, Any] | None, wait_s: float, *args: Any, **more: Any
    ) -> None:
        """`wait_s`: how long to wait for machines that don't answer, all together."""
        super().__init__(document, "check", *args, **more)
        self.before = before
        self.wait_s = wait_s
        self.waited = 0.0
        self.unreached: dict[str, str] = {}
        self.complaint = ""
        self.status = 0

    def predict(self) -> dict[str, Any]:
        """Everything about the phase, as plain data."""
        try:
            self._can_be_asked()
            self.run()
        except OperationError as error:
            self.complaint = str(error)
        found = self._found()
        found["text"] = predicted_text(found)
        return found

    def _can_be_asked(self) -> None:
        """OperationError when this machine could reach none, or when the one with the ledger does not answer."""
        connection = self.document.connection
        for path in (connection.identity_file, connection.known_hosts_file):
            if not path.exists():
                raise OperationError(f"no machine was asked: {path.name} of the site is not on this machine")
        controllers = self.document.data.get("controllers", {})
        first = dict(list(controllers.items())[:1])
        if silent := self._silent(first):
            name, reason = next(iter(silent.items()))
            raise OperationError(
                f"no machine was asked: {name}, which has the ledger, does not answer ({reason}); `up` will fail here"
            )

    def _silent(self, hosts: dict[str, Any]) -> dict[str, str]:
        started = time.monotonic()
        found = unreachable({name: host["address"] for name, host in hosts.items()}, max(self.wait_s - self.waited, 1))
        self.waited += time.monotonic() - started
        return found

    def _play(
        self, playbook: str | None, data: dict[str, Any], lock: int, expected: list[str] | None = None
    ) -> tuple[int, Path | None]:
        """Skip machines that do not answer."""
        self.unreached |= self._silent(data["hosts"])
        there = set(data["hosts"]) - set(self.unreached)
        return super()._play(playbook, subset(data, there), lock, expected) if there else (0, None)

    def _finish(self, status: int, log: Path | None) -> int:
        """Keep the report; `predict` returns what was found."""
        self._write_report(status, time.monotonic() - self.started, str(log or ""))
        self.status = status
        return 0

    def _found(self) -> dict[str, Any]:
        hosts: dict[str, Any] = {}
        returning, added = self._joining()
        unfinished: list[str] = []
        for name, host in self.result.hosts.items():
            refused = next((text for text in host.failures if text.startswith(CONNECT)), "")
            if refused:
                self.unreached[name] = refused.removeprefix(CONNECT)
            elif not host.finished and not host.failures:
                unfinished.append(name)
            else:
                hosts[name] = self._host(name, host, new=name in {*added, *returning})
        leaving = self._leaving()
        nodes = {name for name, host in hosts.items() if affects_jobs(host["impact"])} | set(leaving)
        jobs, unknown = self._jobs(nodes | _drained(hosts))
        impacts = [str(host["impact"]) for host in hosts.values()]
        return {
            "schema": SCHEMA,
            "scope": self.document.scope,
            "impact": worst([*impacts, DRAIN] if leaving else impacts),
            "hosts": hosts,
            "added": added,
            "returning": returning,
            "leaving": leaving,
            "unchanged": self.result.unchanged,
            "maintenance": self.result.maintenance,
            "unreached": dict(sorted(self.unreached.items())),
            "unfinished": unfinished,
            "complaint": self.complaint,
            "jobs": jobs,
            "jobsUnknown": unknown,
            "waited": round(self.waited, 1),
            "seconds": round(time.monotonic() - self.started, 1),
        }

    def _host(self, name: str, host: HostResult, *, new: bool) -> dict[str, Any]:
        """What was predicted of one machine. On one that is new or back from maintenance no jobs run yet, so
        only a reboot counts there."""
        changes = []
        for change in host.changes:
            role, _, task = change.partition(" : ")
            what = host.what.get(change, [])
            found = impact_of(role, task, what, self.document.feature_of(role))
            if new and found.impact in {RECONFIGURE, DRAIN}:
                found = Impact(LIVE, "no jobs run on a machine that is new")
            changes.append({"role": role, "task": task, "what": what, "impact": found.impact, "why": found.why})
        other = self._replaced(name)
        impacts = [str(change["impact"]) for change in changes]
        return {
            "impact": worst([*impacts, other.impact] if other else impacts),
            "changes": changes,
            **({"replaced": other.why} if other else {}),
            "failures": [*host.failures, *(note for note in host.notes if note.startswith(WOULD_FAIL))],
        }

    def _replaced(self, name: str) -> Impact | None:
        """A machine that is known by another key or number than before is another machine."""
        before, after = ((self.before or {}).get("hosts", {}).get(name), self.document.data["hosts"].get(name))
        if not before or not after:
            return None
        differs = [what for what in ("hostKey", "serial", "mac") if what in before and before[what] != after.get(what)]
        return Impact(REPROVISION, f"another machine: its {' and '.join(differs)} changed") if differs else None

    def _joining(self) -> tuple[list[str], list[str]]:
        """Machines that were not in the phase before: back from maintenance, and new."""
        before = self.before or {}
        joining = set(self.document.data["hosts"]) - set(before.get("hosts", {}))
        returning = joining & set(before.get("maintenance", {}))
        return sorted(returning), sorted(joining - returning)

    def _leaving(self) -> list[str]:
        """Machines that jobs can no longer run on: removed from the plan, or in maintenance from now on."""
        before = (self.before or {}).get("hosts", {})
        away = set(before) & set(self.document.data.get("maintenance", {}))
        gone = set(before) - set(self.document.data["hosts"]) if "controllers" in self.document.data else set()
        return sorted(away | gone | set(self.result.removed))

    def _jobs(self, nodes: set[str]) -> tuple[list[dict[str, str]], str]:
        """Jobs that run on these nodes, or why that is not known."""
        data = self.document.data
        controllers = data.get("controllers") or {
            name: data["hosts"][name] for name in data["groups"].get("controllers", {}).get("hosts", [])
        }
        name = next(iter(controllers), "")
        if not nodes or not name or name in self.unreached or self.complaint:
            return [], ""
        try:
            return running_jobs(self.document.connection, name, controllers[name]["address"], nodes), ""
        except OperationError as error:
            return [], str(error)


def _drained(hosts: dict[str, Any]) -> set[str]:
    """Nodes that the controllers would drain, whichever pod they are in."""
    lines = (line for host in hosts.values() for change in host["changes"] for line in change["what"])
    return {line.removeprefix("drain ") for line in lines if line.startswith("drain ")}


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0 when there is something to read on standard output, else 2."""
    parser = argparse.ArgumentParser(prog="gridmill.operations.dry_run", description=__doc__)
    parser.add_argument("--within", type=float, default=120, metavar="SECONDS", help="time limit for the phase")
    parser.add_argument("--wait", type=float, default=3, metavar="SECONDS", help="for machines that do not answer")
    options = parser.parse_args(arguments)
    die_with_parent()
    secrets, digests, drifted = take(SECRET_PREFIX), take(DIGEST_PREFIX), Drifted.take()
    try:
        with time_limit(options.within, "no machine was asked completely: the time limit of the preview is up"):
            given = json.loads(sys.stdin.read())
            document = read_document(json.dumps(given["document"]))
            run = DryRun(document, given.get("before"), options.wait, secrets, digests, drifted=drifted)
            text = masked(json.dumps(run.predict()), run.secrets)
    except OperationError as error:
        print(masked(str(error), secrets), file=sys.stderr)
        return 2
    if directory := os.environ.get(REPORT):
        (Path(directory) / f"{document.scope}.json").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
