"""One phase of a site: lock, secrets, the hosts that a change concerns, their playbook, and what came of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.operations.directories import state_directory
from gridmill.operations.document import ConvergeDocument
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import carried_secrets
from gridmill.operations.record.lease import Lease, ask_lease_host
from gridmill.operations.record.ledger import Entry, Ledger, host_digests, removal, subset
from gridmill.operations.record.locks import exclusive
from gridmill.operations.run.ansible import forget_runtime, run_playbook, runtime_directory
from gridmill.operations.run.baselines import HostSelection
from gridmill.operations.run.drifted import Drifted
from gridmill.operations.run.pod_rollout import affected, left_drained, roll
from gridmill.operations.run.results import RunResult

HOSTS_IN_PROGRESS = 32
"""Up to so many hosts, the end of each is reported; above, only the summary is."""
ABANDON = "GRIDMILL_ABANDON"
"""Phases (a pod's key, `control`), separated by commas, whose machines are gone for good: removal then takes out of
service what it reaches, names the rest, and does not fail."""
BRING_BACK = (
    "bring them back and run the same command again; if they are gone for good, put {name}={scope} before the command: "
    "it stops what can be reached, and forgets the rest"
)
LOG_BYTES = 4 << 20
"""Free space that a run needs for its log before it begins."""
WAVES = "waves"
"""Ends the name of what lies in memory while nodes are asked before their waves."""
KEPT_LOGS = 200
"""Logs kept per site; older ones are removed."""


def masked(text: str, secrets: dict[str, str]) -> str:
    """The text without any secret's value."""
    for value in sorted(secrets.values(), key=len, reverse=True):
        if value:
            text = text.replace(value, "[secret]")
    return text


class PhaseRun:
    """One run over one document."""

    def __init__(
        self,
        document: ConvergeDocument,
        action: str,
        secrets: dict[str, str],
        digests: dict[str, str] | None = None,
        *,
        everything: bool = False,
        compare: bool = False,
        drifted: Drifted = Drifted(),  # noqa: B008 - frozen
    ) -> None:
        """`action` is apply, check (Ansible's check mode) or remove (the document's decommission playbook).

        `digests` (of roles) count as part of what a host was converged to; `everything` asks no ledger, and `compare`
        skips the hosts that match their baselines. Hosts that `drifted` are converged, too, if they still differ.
        """
        self.document = document
        self.action = action
        self.secrets = secrets
        self.digests = digests or {}
        self.everything = everything
        self.compare = compare
        self.drifted = drifted
        self.reread = False
        """Whether slurmctld is to read its configuration anew, though no file of it changed."""
        self.started = time.monotonic()
        self.result = RunResult.of(document.scope, [], action)
        self.directory = state_directory() / "sites" / document.site
        self.lease: Lease | None = None

    @property
    def place(self) -> str:
        """Name of its lock and of its files in memory: a check does not block an apply."""
        return f"{self.document.scope}-check" if self.action == "check" else self.document.scope

    def run(self) -> int:
        """Do it; see operations.converge for the status."""
        if self.action == "remove" and self.document.decommission is None:
            return 0
        what = f"{self.document.site}: {self.document.scope}"
        with exclusive(self.directory / f"{self.place}.lock", what) as lock, self._site() as self.lease:
            if self.action != "check":
                forget_runtime(self.directory, f"{self.document.scope}-{WAVES}")
            if self.action == "remove":
                return self._remove(lock)
            if "controllers" in self.document.data:
                return self._converge_pod(lock)
            return self._converge_all(lock)

    def _site(self) -> AbstractContextManager[Lease | None]:
        """The site's lease, for what changes something."""
        lease_host = self.document.data.get("leaseHost")
        if self.action == "check" or lease_host is None:
            return nullcontext()
        ask = ask_lease_host(self.document.connection, lease_host["name"], lease_host["address"])
        return Lease(self.document, self.action, self.directory, self._say, ask)

    def _remove(self, lock: int) -> int:
        """Decommission; such a playbook says itself which hosts it works on."""
        for name, reason in sorted(self.document.data.get("maintenance", {}).items()):
            self._say(f"{name} is skipped: maintenance ({reason})")
        abandoned = self.document.scope in os.environ.get(ABANDON, "").split(",")
        data, gone = self.document.data, ""
        if "controllers" in data:
            gone = self._controller_gone()
            data = {**data, "controllers": {}} if gone and abandoned else data
        status, log = self._play(str(self.document.decommission), data, lock, expected=[])
        given_up = abandoned and bool(gone or status or not self.result.ok)
        if not gone and "controllers" in data and (status == 0 or given_up):
            Ledger(self.document).remove()
        if given_up:
            self._say(f"{ABANDON}: what could not be reached is left as it is: {gone or self.result.unreached()}")
            self.result = RunResult.of(self.document.scope, [], "remove")
            return self._finish(0, log)
        if status or not self.result.ok:
            self.result.fix = BRING_BACK.format(name=ABANDON, scope=self.document.scope)
        else:
            self._say("services are stopped; logins, keys, sudo rules, packages and data stay on the machines")
        return self._finish(status, log)

    def _controller_gone(self) -> str:
        """Why the controller cannot be asked, or nothing."""
        try:
            Ledger(self.document).read()
        except OperationError as error:
            return str(error)
        return ""

    def _converge_all(self, lock: int) -> int:
        """Converge all hosts of a phase that has no ledger."""
        data = self.document.data
        selection = HostSelection(self.document, self.secrets, self._say)
        needed = self._select(selection, set(data["hosts"]), compare=self.compare or bool(self.drifted.hosts))
        status, log = 0, None
        if needed or not data["hosts"]:
            status, log = self._play(self.document.playbook, subset(data, needed), lock)
        self._record_baselines(selection)
        return self._finish(status, log)

    def _select(self, selection: HostSelection, names: set[str], *, compare: bool) -> set[str]:
        """The hosts that Ansible is needed for; of the others, the result knows."""
        needed = selection.select(names, compare=compare, invalidate=self.action == "apply")
        self.reread = selection.slurm_drifted
        for name, items in selection.clean.items():
            self.result.record_as_left(name, items)
        for name, why in selection.unreachable.items():
            self.result.record({"event": "unreachable", "host": name, "task": "connect", "message": why})
            self._say(f"{name} FAILED in connect")
        if selection.clean:
            self._say(f"{len(selection.clean)} hosts match their baselines and are skipped")
        return needed

    def _record_baselines(self, selection: HostSelection) -> None:
        """Record baselines of the hosts on which the run went well."""
        if self.action == "apply":
            good = {name: host for name, host in self.result.hosts.items() if host.items and self.result.host_ok(name)}
            selection.baseline({name: host.items for name, host in good.items()})
            for host in good.values():
                host.items = []

    def _converge_pod(self, lock: int) -> int:
        """Converge the hosts that the change concerns, then take hosts out of service that are no longer planned."""
        data = self.document.data
        ledger = Ledger(self.document)
        entries = ledger.read()
        self.secrets |= carried_secrets(self.document, pending_change=self.action == "check")
        digests = host_digests(data, self.secrets, self.digests)
        drifted = self.drifted.open(entries) & set(digests)
        todo = drifted | {
            name for name, digest in digests.items() if self.everything or entries.get(name, Entry("")).digest != digest
        }
        self.result.unchanged = sorted(set(digests) - todo)
        self.result.maintenance = data.get("maintenance", {})
        away = {name: replace(entry, digest="") for name, entry in entries.items() if name in self.result.maintenance}
        removed = {
            name: entry
            for name, entry in entries.items()
            if name not in digests and name not in away and self.document.decommission
        }
        if self.action == "check":
            self.result.removed = sorted(removed)
        for name, reason in sorted(self.result.maintenance.items()):
            self._say(f"{name} is skipped: maintenance ({reason})")
        status, log = 0, None
        selection = HostSelection(self.document, self.secrets, self._say)
        needed = self._select(selection, todo, compare=self.compare or bool(drifted))
        rolled = self._affected(needed, set(selection.unreachable), entries, lock)
        at_once = needed - set(rolled)
        open_ = todo - set(rolled) - set(selection.clean)
        kept = {
            name: Entry(host["address"]) if name in open_ or name not in entries else entries[name]
            for name, host in data["hosts"].items()
        } | away
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        kept |= {name: replace(kept[name], at=now) for name in drifted & set(selection.clean)}

        def play(names: set[str]) -> None:
            """Converge these, and record the result in the ledger and their baselines."""
            nonlocal status, log, kept
            if self.action == "apply":  # a run that is killed must not leave the entries of an earlier one
                kept |= {name: Entry(data["hosts"][name]["address"]) for name in names}
                ledger.write({**removed, **kept})
            ended, log = self._play(self.document.playbook, subset(data, names), lock)
            status = status or ended
            self._record_baselines(selection)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            kept |= {
                name: Entry(kept[name].address, digests[name], now, self.result.reboot(name))
                for name in names
                if self.action == "apply" and self.result.host_ok(name)
            }

        if at_once:
            play(at_once)
        if rolled:
            roll(self.document, self.result, rolled, self.lease, play=play, say=self._say)
        if self.action == "apply":
            if removed and status == 0:
                status, log = self._take_out_of_service(removed, lock)
                removed = {}
            if needed or kept != entries:
                ledger.write({**removed, **kept})
        return self._finish(status, log)

    def _affected(self, todo: set[str], dead: set[str], entries: dict[str, Entry], lock: int) -> dict[str, str]:
        """Nodes in service whose jobs the change would affect, with the reason: they are changed in waves.

        Dead ones are not asked; nodes that an earlier rollout drained and did not finish are among them.
        """
        compute = set(self.document.data["groups"].get("compute", {}).get("hosts", []))
        if self.action != "apply" or "rollout" not in self.document.data or not compute & set(entries):
            return {}
        cut_off = left_drained(self.document, compute, todo | dead)
        serving = {name for name in todo & compute - set(cut_off) if name in entries and entries[name].digest}
        if not serving:
            return cut_off
        self._say(f"what the change means for jobs on {', '.join(fold(serving))}")
        asking = BeforeWaves(self.document, "check", self.secrets, self.digests)
        asking.ask(serving, lock)
        return cut_off | affected(asking.result, serving, self.document.feature_of)

    def _take_out_of_service(self, removed: dict[str, Entry], lock: int) -> tuple[int, Path | None]:
        """Stop what runs jobs on machines that are no longer planned; one that is gone is named and forgotten."""
        self._say(f"no longer planned: {', '.join(sorted(removed))}")
        before = self.result
        self.result = RunResult.of(self.document.scope, [], "remove")
        playbook = str(self.document.decommission)
        _, log = self._play(playbook, removal(self.document.data, removed), lock, expected=[])
        for name in sorted(removed):
            if not self.result.host_ok(name):
                self._say(f"{name} does not answer: it is removed from Slurm, and still holds the cluster's key")
        before.removed = sorted(removed)
        self.result = before
        return 0, log

    def _play(
        self, playbook: str | None, data: dict[str, Any], lock: int, expected: list[str] | None = None
    ) -> tuple[int, Path | None]:
        """Run a playbook over `data`; all its hosts must report, unless `expected` says otherwise."""
        self.result.expect(list(data["hosts"]) if expected is None else expected)
        log = self._log_path()
        more: dict[str, Any] = {"fence_token": self.lease.token} if self.lease else {}
        more |= {"slurm_controller_reread": True} if self.reread else {}
        status = run_playbook(
            playbook,
            {**data, "vars": {**data["vars"], **more}},
            self.secrets,
            runtime=runtime_directory(self.directory, self.place),
            log=log,
            check=self.action == "check",
            name=self.place,
            lock=lock,
            on_event=self._event,
            on_idle=self._idle,
        )
        return status, log

    def _finish(self, status: int, log: Path | None) -> int:
        """Print the summary or the complaint, and keep the report."""
        seconds = time.monotonic() - self.started
        if self.lease:
            self.result.fix = self.lease.lost or self.result.fix
            self.lease.outcome = self.result.outcome(status, seconds)
        self._write_report(status, seconds, str(log or ""))
        if status == 0 and self.result.ok:
            name = str(log.relative_to(state_directory())) if log else ""
            print(masked(json.dumps(self.result.summary(seconds, name)), self.secrets))
            return 0
        print(masked(self.result.complaint(status, str(log or ""), self.document.site), self.secrets), file=sys.stderr)
        return 1

    def _write_report(self, status: int, seconds: float, log: str) -> None:
        """Keep the findings per host and check: the newest of each phase and action, written in one step."""
        directory = self.directory / "reports"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = directory / f"{self.document.scope}-{self.action}.json"
        temporary = target.with_suffix(f".{os.getpid()}")
        temporary.touch(mode=0o600)
        report = self.result.report(status, seconds, log)
        temporary.write_text(masked(json.dumps(report, indent=1), self.secrets), encoding="utf-8")
        temporary.replace(target)

    def _log_path(self) -> Path:
        directory = self.directory / "logs"
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if (free := shutil.disk_usage(directory).free) < LOG_BYTES:
            raise OperationError(f"No space left for logs: {free >> 10} KiB free in {directory}; nothing was begun")
        for old in sorted(directory.glob("*.log"))[:-KEPT_LOGS]:
            old.unlink(missing_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path = directory / f"{stamp}-{self.document.scope}-{self.action}-{os.getpid()}.log"
        path.touch(mode=0o600)
        return path

    def _event(self, line: str) -> None:
        try:
            event: dict[str, Any] = json.loads(line)
        except ValueError:
            return
        role = self.result.role
        self.result.record(event)
        if self.result.role != role and self.result.role:
            self._say(self.result.role)
        elif event.get("event") in {"failed", "unreachable"}:
            self._say(f"{event['host']} FAILED in {event.get('task', '')}")
        elif event.get("event") == "notes":
            for note in event["notes"]:
                self._say(f"{event['host']}: {note}")
        elif event.get("event") == "stats" and len(self.result.hosts) <= HOSTS_IN_PROGRESS:
            self._say(f"{event['host']} {self._done(event['changed'])}")

    def _done(self, changed: int) -> str:
        """How the end of a host is reported."""
        return f"checked, {changed} would change" if self.action == "check" else f"done, {changed} changed"

    def _idle(self) -> None:
        self._say(f"{self.result.role}: {self.result.task}" if self.result.task else "starting")

    def _say(self, text: str) -> None:
        line = f"[{time.monotonic() - self.started:5.0f} s] {self.document.scope}: {text}"
        print(masked(line, self.secrets), file=sys.stderr, flush=True)


class BeforeWaves(PhaseRun):
    """Check mode inside of a phase that holds its lock already."""

    @property
    def place(self) -> str:
        """Name of its files in memory."""
        return f"{self.document.scope}-{WAVES}"

    def ask(self, names: set[str], lock: int) -> None:
        """Have the result say what the change does on these. OperationError when somebody stops the run meanwhile."""
        status, _ = self._play(self.document.playbook, subset(self.document.data, names), lock)
        if status == -signal.SIGTERM:
            raise OperationError(f"{self.document.scope}: stopped before anything was changed")
