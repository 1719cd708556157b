# Callback plugin: tells the runner what happens, one JSON object a line, on the descriptor GRIDMILL_EVENTS_FD.
# What people read goes to the log by the ordinary stdout callback; this one carries no task arguments.
from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: gridmill_events
type: notification
short_description: Events for Gridmill's runner
description:
  - Writes the start of tasks, changes (in check mode foreseen ones), failures, checks (every task result with a list
    C(gridmill_checks)), notes (those with C(gridmill_notes)) and the final counts to the descriptor named in the
    environment variable C(GRIDMILL_EVENTS_FD); silent without it.
options: {}
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "gridmill_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        descriptor = os.environ.get("GRIDMILL_EVENTS_FD")
        self._stream = os.fdopen(int(descriptor), "w", encoding="utf-8", closefd=False) if descriptor else None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool = False) -> None:
        role = task._role.get_name() if task._role else ""
        self._emit(event="task", role=role, task=task.get_name().removeprefix(f"{role} : "), at=time.monotonic())

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start

    def v2_runner_on_ok(self, result: Any) -> None:
        if _result(result).get("changed"):
            self._emit(event="changed", host=self._host(result), task=self._task(result))
        self._checks(result)
        if notes := _result(result).get("gridmill_notes"):
            self._emit(event="notes", host=self._host(result), notes=notes)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        if ignore_errors:
            return
        if not self._checks(result):
            self._emit(event="failed", host=self._host(result), task=self._task(result), message=_message(result))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._emit(event="unreachable", host=self._host(result), task="connect", message=_message(result))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._emit(event="task", role="", task="", at=time.monotonic())
        for host in sorted(stats.processed):
            numbers = stats.summarize(host)
            if not numbers["failures"] and not numbers["unreachable"]:
                self._emit(event="stats", host=host, changed=numbers["changed"])

    def _checks(self, result: Any) -> bool:
        checks = _result(result).get("gridmill_checks")
        if not isinstance(checks, list):
            return False
        self._emit(event="checks", host=self._host(result), checks=checks, data=_result(result).get("gridmill_data"))
        return any(check.get("ok") is not True for check in checks)

    @staticmethod
    def _host(result: Any) -> str:
        return str(result._host.get_name())

    @staticmethod
    def _task(result: Any) -> str:
        return str(result._task.get_name())

    def _emit(self, **event: Any) -> None:
        if self._stream:
            self._stream.write(json.dumps(event, default=str) + "\n")
            self._stream.flush()


def _result(result: Any) -> dict[str, Any]:
    found = result._result
    return found if isinstance(found, dict) else {}


def _message(result: Any) -> str:
    """The first telling line of a failure; tasks with no_log say nothing but that."""
    found = _result(result)
    if result._task.no_log:
        return "failed; its output is secret"
    text = str(found.get("msg") or "failed")
    for detail in ("stderr", "module_stderr", "stdout"):
        if value := str(found.get(detail) or "").strip():
            text += f" ({value.splitlines()[-1]})"
            break
    return " ".join(text.split())[:500]
