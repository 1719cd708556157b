"""Collects what a playbook's events say: per host changes, failures and checks; and says it in one summary."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.operations.hosts.ssh import connection_fix

RESULT_SCHEMA = "gridmill.result/v1"
REPORT_SCHEMA = "gridmill.report/v1"
CONNECT = "connect: "
"""Begins the failure of a host that could not be reached."""


@dataclass
class HostResult:
    """One host in one run."""

    changed: int = 0
    changes: list[str] = field(default_factory=list)
    """Tasks that changed something, or would in check mode, each as `role : task`, in order."""
    what: dict[str, list[str]] = field(default_factory=dict)
    """In check mode, what each of them would change, as far as it says."""
    finished: bool = False
    failures: list[str] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What people should know though nothing is wrong: what was there before, a reboot that is due."""
    items: list[dict[str, Any]] = field(default_factory=list)
    """What the tasks manage on this host, for its baseline; not part of the report."""

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        """Checks that were not ok; a check that doesn't say is not ok."""
        return [check for check in self.checks if check.get("ok") is not True]


@dataclass
class RunResult:
    """One run over the hosts of a document; hosts that report nothing have failed."""

    scope: str
    hosts: dict[str, HostResult]
    action: str = "apply"
    """`apply` must have checked every host; in `check` mode findings are reported and only failures count; `remove` has
    nothing to check."""
    unchanged: list[str] = field(default_factory=list)
    """Hosts that are as planned by the ledger; not asked."""
    as_left: list[str] = field(default_factory=list)
    """Hosts that match their baselines; skipped."""
    removed: list[str] = field(default_factory=list)
    """Hosts that are no longer planned and were taken out of service."""
    maintenance: dict[str, str] = field(default_factory=dict)
    """Hosts in maintenance, with the reason; not asked."""
    unfinished: dict[str, str] = field(default_factory=dict)
    """Nodes whose change was put off, with the reason; the same command goes on with them."""
    fix: str = ""
    """What a person can do when the run cannot be completed."""
    role: str = ""
    task: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each task took over all its hosts, as `role : task`, in order."""
    task_since: float = 0.0

    @classmethod
    def of(cls, scope: str, hosts: list[str], action: str = "apply") -> RunResult:
        """An empty result for these hosts."""
        return cls(scope, {host: HostResult() for host in hosts}, action)

    def record_as_left(self, name: str, items: int) -> None:
        """This host matches its baseline in so many items, and nothing is done."""
        text = f"{items} items as recorded"
        check = {"check": "baseline", "ok": True, "expected": text, "found": text}
        self.hosts[name] = HostResult(finished=True, checks=[check])
        self.as_left.append(name)

    def expect(self, hosts: list[str]) -> None:
        """These hosts must report."""
        for host in hosts:
            self.hosts.setdefault(host, HostResult())

    def host_ok(self, name: str) -> bool:
        """Whether this host reported and is ok."""
        return name in self.hosts and self._ok(self.hosts[name])

    def record(self, event: dict[str, Any]) -> None:
        """Take in one event of the callback plugin."""
        kind = event.get("event")
        if kind == "task":
            self._begin(event)
            return
        host = self.hosts.setdefault(event["host"], HostResult()) if "host" in event else None
        if host is None:
            return
        if kind in {"failed", "unreachable"}:
            host.failures.append(f"{event.get('task', '')}: {event.get('message', '')}")
        elif kind == "changed":
            host.changes.append(event["task"])
            if event.get("what"):
                host.what[event["task"]] = event["what"]
        elif kind == "checks":
            host.checks.extend(event["checks"])
            host.data.update(event.get("data") or {})
        elif kind == "notes":
            host.notes.extend(event["notes"])
        elif kind == "watched":
            host.items.extend(event["items"])
        elif kind == "stats":
            host.changed = event["changed"]
            host.finished = True

    def _begin(self, event: dict[str, Any]) -> None:
        """A task begins, and with it the one before ends."""
        if self.task and "at" in event:
            name = f"{self.role} : {self.task}" if self.role else self.task
            self.seconds[name] = round(self.seconds.get(name, 0.0) + event["at"] - self.task_since, 2)
        self.task_since = event.get("at", 0.0)
        if event.get("task"):
            self.role, self.task = event.get("role", ""), event["task"]

    @property
    def ok(self) -> bool:
        """Whether every host that was expected or reported is ok."""
        return not self.unfinished and all(self._ok(host) for host in self.hosts.values())

    def problem(self, name: str) -> str:
        """What is wrong with a host, in one line; empty when it is ok."""
        host = self.hosts[name]
        checks = [f"check {_check_text(check)}" for check in host.failed_checks]
        return "" if self._ok(host) else next(iter([*host.failures, *checks]), "did not finish")

    def _ok(self, host: HostResult) -> bool:
        if not host.finished or host.failures:
            return False
        if self.action == "check":
            return True
        return not host.failed_checks and (bool(host.checks) or self.action == "remove")

    def reboot(self, name: str) -> str:
        """Why a reboot of this host is due, as its checks found; empty when none is."""
        found = (check["found"] for check in self.hosts[name].checks if check.get("check") == "reboot")
        return next((text for text in found if text.startswith("reboot needed")), "")

    def unreached(self) -> str:
        """Hosts that are not ok, by name."""
        return ", ".join(sorted(name for name, host in self.hosts.items() if not self._ok(host))) or "none"

    def summary(self, seconds: float, log: str) -> dict[str, Any]:
        """The one JSON line of a run that went well; small, since it stays in Pulumi's state."""
        data = {name: host.data for name, host in self.hosts.items() if host.data}
        return {
            "schema": RESULT_SCHEMA,
            "ok": self.ok,
            "scope": self.scope,
            "hosts": {
                name: {
                    "ok": self._ok(host),
                    "changed": host.changed,
                    "checks": len(host.checks),
                    **({"changes": host.changes} if self.action == "check" else {}),
                }
                for name, host in self.hosts.items()
            },
            **({"unchanged": len(self.unchanged)} if self.unchanged else {}),
            **({"asLeft": len(self.as_left)} if self.as_left else {}),
            **({"removed": self.removed} if self.removed else {}),
            **({"maintenance": self.maintenance} if self.maintenance else {}),
            **({"data": data} if data else {}),
            "seconds": round(seconds, 1),
            "log": log,
        }

    def report(self, status: int, seconds: float, log: str) -> dict[str, Any]:
        """Everything that was found, per host and check; kept as a file beside the logs."""
        return {
            "schema": REPORT_SCHEMA,
            "ok": status == 0 and self.ok,
            "scope": self.scope,
            "action": self.action,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "seconds": round(seconds, 1),
            "tasks": self.seconds,
            "hosts": {name: {"ok": self._ok(host), **_told(host)} for name, host in self.hosts.items()},
            "unchanged": self.unchanged,
            "unfinished": self.unfinished,
            "asLeft": self.as_left,
            "removed": self.removed,
            "maintenance": self.maintenance,
            "log": log,
        }

    def outcome(self, status: int, seconds: float) -> dict[str, Any]:
        """The journal's entry: short, however many hosts there are."""
        failed = sorted(name for name, host in self.hosts.items() if not self._ok(host))
        changed = sorted(name for name, host in self.hosts.items() if host.changed)
        return {
            "ok": status == 0 and self.ok,
            "hosts": len(self.hosts),
            "changed": fold(changed),
            "failed": fold(failed),
            "removed": fold(self.removed),
            "unchanged": len(self.unchanged),
            "unfinished": fold(self.unfinished),
            "seconds": round(seconds, 1),
        }

    def complaint(self, status: int, log: str, site: str = "SITE") -> str:
        """What a person needs when it went wrong: host, task or check, what was expected and found, what would fix a
        connection, and the log, where there is one."""
        lines = [f"{self.scope}: not ok"]
        good = sum(self._ok(host) for host in self.hosts.values())
        for name, host in self.hosts.items():
            for failure in host.failures:
                lines.append(f"  {name}: {failure}")
                if failure.startswith(CONNECT):
                    lines.append(f"    fix: {connection_fix(failure)} `gridmill preflight {site}` checks every machine")
            lines += [f"  {name}: check {_check_text(check)}" for check in host.failed_checks]
            if not host.finished and not host.failures and not host.failed_checks:
                lines.append(f"  {name}: did not finish (playbook status {status}, last task: {self.task or 'none'})")
        lines += [
            f"  {name}: nothing was checked"
            for name, host in self.hosts.items()
            if host.finished and not host.failures and not host.checks and not self._ok(host)
        ]
        lines += [f"  {name}: {reason}" for name, reason in sorted(self.unfinished.items())]
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        lines.append(f"  {good} of {len(self.hosts)} hosts ok; the same command completes the run")
        lines += [f"  log: {log}"] if log else []
        return "\n".join(lines)


def _told(host: HostResult) -> dict[str, Any]:
    return {name: value for name, value in asdict(host).items() if name != "items"}


def _check_text(check: dict[str, Any]) -> str:
    text = f"{check.get('check')}: expected {_short(check.get('expected'))}, found {_short(check.get('found'))}"
    return f"{text} ({check['hint']})" if check.get("hint") else text


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 - a line on a terminal


def failures_of(report: dict[str, Any]) -> dict[str, str]:
    """What failed first on each host that was not ok, from a kept report."""
    found: dict[str, str] = {}
    for name, host in report["hosts"].items():
        if not host["ok"]:
            checks = [f"check {_check_text(check)}" for check in host["checks"] if check.get("ok") is not True]
            found[name] = next(iter([*host["failures"], *checks]), "did not finish")
    return found
