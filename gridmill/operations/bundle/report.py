"""What hosts say of their bundles, told to the runner as Ansible's callback plugin tells it, and to people in a log."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

from gridmill.operations.bundle.ansible_internals import find_collections
from gridmill.operations.bundle.steps import Step

CALLBACK = "ansible_collections.gridmill.site.plugins.callback.gridmill_events"
UNREACHABLE = 4
FAILED = 2
"""Exit statuses, as ansible-playbook has them."""


def callback() -> Any:
    """Gridmill's own callback plugin."""
    find_collections()
    return importlib.import_module(CALLBACK).CallbackModule()


class Reporter:
    """All hosts of one run."""

    def __init__(self) -> None:
        self._callback = callback()
        self._steps: dict[str, list[Step]] = {}
        self._at: dict[str, int] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._furthest = -1
        self._started: dict[str, float] = {}
        self._since = time.monotonic()
        self.status = 0

    def expect(self, host: str, steps: list[Step]) -> None:
        """This host gets these steps."""
        self._steps[host] = steps
        self._counts[host] = {"ok": 0, "changed": 0, "skipped": 0}

    def take(self, host: str, event: dict[str, Any]) -> None:
        """One event of a host."""
        match event["event"]:
            case "begin":
                self._at[host] = event["step"]
                self._started[host] = time.monotonic()
                self._begin(self._steps[host][event["step"]])
            case "step":
                self._result(host, self._steps[host][event["step"]], event["result"])
            case "waiting":
                _log(f"waiting: [{host}]: {event['message']}")
            case "unreachable":
                self.status = self.status or UNREACHABLE
                shown = f"Failed to connect to the host via ssh: {event['message']}"
                _log(f"fatal: [{host}]: UNREACHABLE! => {shown}")
                self._callback.v2_runner_on_unreachable(_shim(host, _step("connect"), {"msg": shown}))
            case "end":
                self._end(host, event)

    def failed(self, host: str, task: str, message: str) -> None:
        """A task that fails before a host is asked for anything, or without a result of its own."""
        self.status = FAILED
        _log(f"\nTASK [{task}]\nfatal: [{host}]: FAILED! => {message}")
        self._callback.v2_runner_on_failed(_shim(host, _step(task), {"msg": message}))

    def recap(self) -> None:
        """How it ended, by host."""
        _log("\nPLAY RECAP")
        for host, counts in sorted(self._counts.items()):
            _log(f"{host} : {' '.join(f'{key}={number}' for key, number in counts.items())}")

    def _begin(self, step: Step) -> None:
        """The host that is furthest tells where the run is."""
        if step.position > self._furthest:
            self._furthest = step.position
            self._callback.v2_playbook_on_task_start(_task(step))

    def _result(self, host: str, step: Step, result: dict[str, Any]) -> None:
        counts, taken = self._counts[host], time.monotonic() - self._started.get(host, time.monotonic())
        shim = _shim(host, step, result)
        if result.get("skipped"):
            counts["skipped"] += 1
            return
        if result.get("failed"):
            self.status = FAILED
            shown = "its output is secret" if step.no_log else json.dumps(result, indent=1, sort_keys=True, default=str)
            _log(f"\nTASK [{step.name}]\nfatal: [{host}]: FAILED! => {shown}")
            self._callback.v2_runner_on_failed(shim)
            return
        counts["ok"] += 1
        counts["changed"] += bool(result.get("changed"))
        _log(f"\nTASK [{step.name}] (took {taken:.2f} s, at {time.monotonic() - self._since:.1f} s)")
        for part in result.get("results") or [result]:
            for line in _differences(part.get("diff")):
                _log(line)
        _log(f"{'changed' if result.get('changed') else 'ok'}: [{host}]")
        self._callback.v2_runner_on_ok(shim)

    def _end(self, host: str, event: dict[str, Any]) -> None:
        if event.get("refused") or event.get("lost"):
            steps, at = self._steps.get(host, []), self._at.get(host, -1)
            self.failed(host, steps[at].name if 0 <= at < len(steps) else "bundle", event["message"])
        elif event.get("stopped"):
            self.status = self.status or FAILED
            _log(f"stopped: [{host}]")
        elif event.get("ok"):
            numbers = {"failures": 0, "unreachable": 0, "changed": self._counts[host]["changed"]}
            stats = SimpleNamespace(processed={host: 1}, summarize=lambda _: numbers)
            self._callback.v2_playbook_on_stats(stats)


def _step(name: str) -> Step:
    """Stands for a step where there is none."""
    return Step(name=name, role="", action="", position=0, module="", rounds=[{}])


def _task(step: Step) -> Any:
    """As much of a task as the callback plugin asks for."""
    role = SimpleNamespace(get_name=lambda include_role_fqcn: step.role) if step.role else None
    return SimpleNamespace(
        get_name=lambda include_role_fqcn: step.name, _role=role, no_log=step.no_log, check_mode=step.check,
        action=step.action, resolved_action=step.action, args=step.rounds[0],
    )  # fmt: skip


def _shim(host: str, step: Step, result: dict[str, Any]) -> Any:
    """As much of a result as the callback plugin asks for."""
    return SimpleNamespace(
        _result=result, _task=_task(step),
        _host=SimpleNamespace(get_name=lambda: host), _task_fields={"args": step.rounds[0]},
    )  # fmt: skip


def _differences(diffs: Any) -> list[str]:
    """Lines of differences, as people read them."""
    lines: list[str] = []
    for diff in diffs if isinstance(diffs, list) else [diffs] if isinstance(diffs, dict) else []:
        if "prepared" in diff:
            lines += str(diff["prepared"]).splitlines()
        elif "before" in diff and "after" in diff:
            before, after = (_text(diff[key]).splitlines() for key in ("before", "after"))
            heads = (f"before: {diff.get('before_header', '')}", f"after: {diff.get('after_header', '')}")
            lines += [line.rstrip("\n") for line in difflib.unified_diff(before, after, *heads, lineterm="")]
    return lines


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, default=str)


def _log(line: str) -> None:
    """A line of the log; whoever started this process keeps it."""
    print(line, file=sys.stdout, flush=True)
