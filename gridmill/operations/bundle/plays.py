"""Plays of a playbook: their hosts, and their tasks in order, with includes resolved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from gridmill.operations.bundle.ansible_internals import Project, includes_role, includes_tasks, is_block, said
from gridmill.operations.bundle.errors import NotCompilableError

FOREIGN = (
    "any_errors_fatal", "async_val", "changed_when", "debugger", "delegate_to", "environment", "failed_when",
    "ignore_errors", "ignore_unreachable", "loop_with", "module_defaults", "notify", "retries", "run_once", "throttle",
    "timeout", "until",
)  # fmt: skip
"""Keywords of tasks that a bundle doesn't know; a task with one must not be compiled as if it had none."""
PLAIN = {"strategy": "linear", "gather_facts": False, "serial": [], "any_errors_fatal": False}
"""What plays must say: each machine is worked on by itself."""


class Plays:
    """A playbook over an inventory. One object at a time, as with what it stands on."""

    def __init__(self, inventory: Path, playbook: Path, *, check: bool) -> None:
        """NotCompilableError for a play that leaves what a bundle can do; AnsibleError for what Ansible refuses."""
        self.check = check
        self.project = Project(inventory, playbook, check=check)
        self.plays = self.project.plays
        for play in self.plays:
            self._validate(play)
        self._includes: dict[int, list[Any]] = {}

    @staticmethod
    def _validate(play: Any) -> None:
        for name, wanted in PLAIN.items():
            if getattr(play, name) != wanted:
                raise NotCompilableError(f"{name}: {getattr(play, name)!r}: plays work on each machine by itself", play)
        if play.become is not True or play.handlers or play.tags:
            raise NotCompilableError("plays have become: true, no handlers and no tags", play)

    @cached_property
    def hosts(self) -> dict[str, list[int]]:
        """By host, the numbers of the plays that work on it, in order."""
        found: dict[str, list[int]] = {}
        for number, play in enumerate(self.plays):
            for host in self.project.hosts(play.hosts, play.order):
                found.setdefault(host, []).append(number)
        return found

    @cached_property
    def blocks(self) -> list[list[Any]]:
        """Blocks of every play."""
        return [play.compile() for play in self.plays]

    @cached_property
    def everybody(self) -> list[str]:
        """Names of all hosts; asked for once."""
        return self.project.hosts()

    def variables(self, play: Any, host: str, task: Any) -> dict[str, Any]:
        """What a task sees on a host."""
        found = self.project.variables(play, host, task, self.everybody)
        found["ansible_check_mode"] = self.check
        found["ansible_diff_mode"] = self.check
        return found

    def tasks(self, number: int) -> Iterator[Any]:
        """Tasks of a play in order; an include stands for its tasks, which inherit its conditions."""
        for block in self.blocks[number]:
            yield from self._of_block(block)

    def _of_block(self, block: Any) -> Iterator[Any]:
        if block.rescue or block.always:
            raise NotCompilableError("a block has rescue or always", block)
        for task in block.block:
            if is_block(task):
                yield from self._of_block(task)
            elif includes_role(task):
                raise NotCompilableError("roles stand in plays", task)
            elif includes_tasks(task):
                for inner in self._included(task):
                    yield from self._of_block(inner)
            elif task.action not in {"meta", "ansible.builtin.meta"}:
                self._check(task)
                yield task
            elif task.args.get("_raw_params") not in {"flush_handlers", "role_complete"}:
                raise NotCompilableError(f"meta: {task.args.get('_raw_params')}", task)

    def _included(self, task: Any) -> list[Any]:
        """Blocks of `include_tasks`."""
        if id(task) not in self._includes:
            if task.loop is not None or task.args.get("apply"):
                raise NotCompilableError("an include has neither a loop nor `apply`", task)
            self._includes[id(task)] = self.project.included(task)
        return self._includes[id(task)]

    @staticmethod
    def _check(task: Any) -> None:
        for name in FOREIGN:
            if said(task, name):
                raise NotCompilableError(f"a bundle knows no `{name.removesuffix('_val')}`", task)
