# Callback plugin: tells the runner what happens, one JSON object a line, on the descriptor GRIDMILL_EVENTS_FD.
# What people read goes to the log by the ordinary stdout callback; this one carries no task arguments.
from __future__ import annotations

import json
import os
import time
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.gridmill.site.plugins.module_utils.drift.watched import watched

DOCUMENTATION = """
name: gridmill.site.gridmill_events
type: notification
short_description: Events for Gridmill's runner
description:
  - Writes the start of tasks, changes (in check mode predicted ones), failures, checks (every task result with a list
    C(gridmill_checks)), notes (those with C(gridmill_notes)), what a task manages on the machine, and the final counts
    to the descriptor named in the environment variable C(GRIDMILL_EVENTS_FD); silent without it.
options: {}
"""

FILE_MODULES = {"template", "copy", "file", "blockinfile"}
MOST_LINES = 200


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "gridmill.site.gridmill_events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        descriptor = os.environ.get("GRIDMILL_EVENTS_FD")
        self._stream = os.fdopen(int(descriptor), "w", encoding="utf-8", closefd=False) if descriptor else None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool = False) -> None:
        role = task._role.get_name(include_role_fqcn=False) if task._role else ""
        self._emit(event="task", role=role, task=told(task).removeprefix(f"{role} : "), at=time.monotonic())

    v2_playbook_on_handler_task_start = v2_playbook_on_task_start

    def v2_runner_on_ok(self, result: Any) -> None:
        if _result(result).get("changed"):
            self._emit(event="changed", host=self._host(result), task=self._task(result), what=_what(result))
        self._checks(result)
        if notes := _result(result).get("gridmill_notes"):
            self._emit(event="notes", host=self._host(result), notes=notes)
        self._watch(result)

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

    def _watch(self, result: Any) -> None:
        """Tell what the task manages. Of tasks with no_log only arguments are known, of which collectors take names."""
        found = _result(result)
        rounds = [one for one in found.get("results") or [found] if isinstance(one, dict) and not one.get("skipped")]
        given = result._task_fields.get("args") or {}
        items = []
        for one in rounds:
            arguments = (one.get("invocation") or {}).get("module_args") or given
            items += watched(result._task.resolved_action or result._task.action, arguments, one)
        if items:
            self._emit(event="watched", host=self._host(result), items=items)

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
        return told(result._task)

    def _emit(self, **event: Any) -> None:
        if self._stream:
            self._stream.write(json.dumps(event, default=str) + "\n")
            self._stream.flush()


def told(task: Any) -> str:
    """`role : task`, as everybody tells it who hears of it from here: roles by their plain names."""
    return str(task.get_name(include_role_fqcn=False))


def _result(result: Any) -> dict[str, Any]:
    found = result._result
    return found if isinstance(found, dict) else {}


def _what(result: Any) -> list[str]:
    """In check mode, what a task would change, a line each: files, packages, units, or what the module says. Contents
    are never told, and of a task with no_log nothing."""
    found = _result(result)
    if result._task.no_log or not result._task.check_mode:
        return []
    parts = found["results"] if isinstance(found.get("results"), list) else [found]
    lines = [line for part in parts if part.get("changed") for line in _lines(result._task, part)]
    return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], f"and {len(lines) - MOST_LINES} more"]


def _lines(task: Any, part: dict[str, Any]) -> list[str]:
    module = task.action.rpartition(".")[2]
    if module in FILE_MODULES:  # its difference may be headed by a file of this machine
        path = str(part.get("path") or part.get("dest") or task.args.get("dest") or task.args.get("path") or "")
        return [f"file {path}"] if path.startswith("/") else []
    diffs = part.get("diff") or []
    lines: list[str] = []
    for diff in diffs if isinstance(diffs, list) else [diffs]:
        if "prepared" in diff:
            lines += [_worded(module, line) for line in diff["prepared"].splitlines()]
        elif str(diff.get("after_header", "")).startswith("/"):
            lines.append(f"file {diff['after_header'].partition(' (')[0]}")
    return lines


def _worded(module: str, line: str) -> str:
    """A line of a module's prepared difference."""
    sign, text = line[:1], line[1:]
    if module == "packages" and text.startswith("/"):
        return f"file {text}"
    if module == "packages" and not text.startswith("hold "):
        return f"package {text} removed" if sign == "-" else f"package {text}"
    if module == "systemd_unit":
        return f"unit {text}"
    return text if sign in {"+", "~"} else line


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
