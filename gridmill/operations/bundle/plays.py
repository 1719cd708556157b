"""Playbooks as ansible-core reads them: plays, their hosts, and their tasks in order, with includes resolved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible import context
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.context_objects import CLIArgs
from ansible.utils.vars import load_options_vars
from ansible.vars.manager import VariableManager

from gridmill.operations.bundle.errors import NotCompilableError
from gridmill.operations.playbooks import PLAYBOOKS

FOREIGN = (
    "async_val", "changed_when", "delegate_to", "environment", "failed_when", "ignore_errors", "ignore_unreachable",
    "loop_with", "notify", "retries", "run_once", "throttle", "timeout", "until", "debugger",
)  # fmt: skip
"""Keywords of tasks that a bundle doesn't know; a task with one must not be compiled as if it had none."""
PLAIN = {"strategy": "linear", "gather_facts": False, "serial": [], "any_errors_fatal": False}
"""What plays must say: each machine is worked on by itself."""


def find_collections() -> None:
    """Have collections found, this checkout's before others, also by Python's `import`; once a process."""
    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([str(PLAYBOOKS / "collections")])


class Plays:
    """A playbook over an inventory. One object a process: ansible-core keeps options in globals."""

    def __init__(self, inventory: Path, playbook: Path, *, check: bool) -> None:
        """NotCompilableError for a play that leaves what a bundle can do; AnsibleError for what Ansible refuses."""
        options = {"check": check, "diff": check, "forks": 1, "tags": ["all"], "skip_tags": [], "verbosity": 0}
        context.CLIARGS = CLIArgs(options)
        if hasattr(load_options_vars, "options_vars"):  # of another check mode, in the same process
            del load_options_vars.options_vars
        find_collections()
        self.check = check
        self.loader = DataLoader()
        self.loader.set_basedir(str(playbook.parent))
        self.inventory = InventoryManager(self.loader, sources=[str(inventory)])
        self.manager = VariableManager(self.loader, self.inventory)
        self.plays = Playbook.load(str(playbook), variable_manager=self.manager, loader=self.loader).get_plays()
        for play in self.plays:
            self._validate(play)
        self._includes: dict[int, list[Block]] = {}

    def _validate(self, play: Any) -> None:
        play.post_validate(Templar(self.loader, variables=self.manager.get_vars(play=play)))
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
            for host in self.inventory.get_hosts(play.hosts, order=play.order):
                found.setdefault(host.name, []).append(number)
        return found

    @cached_property
    def blocks(self) -> list[list[Block]]:
        """Blocks of every play."""
        return [play.compile() for play in self.plays]

    @cached_property
    def everybody(self) -> list[str]:
        """Names of all hosts; asked for once."""
        return [host.name for host in self.inventory.get_hosts("all")]

    def variables(self, play: Any, host: str, task: Any) -> dict[str, Any]:
        """What a task sees on a host."""
        found: dict[str, Any] = self.manager.get_vars(
            play=play, host=self.inventory.hosts[host], task=task, _hosts=self.everybody, _hosts_all=self.everybody
        )
        found["ansible_check_mode"] = self.check
        found["ansible_diff_mode"] = self.check
        return found

    def tasks(self, number: int) -> Iterator[Any]:
        """Tasks of a play in order; an include stands for its tasks, which inherit its conditions."""
        for block in self.blocks[number]:
            yield from self._of_block(block)

    def _of_block(self, block: Block) -> Iterator[Any]:
        if block.rescue or block.always:
            raise NotCompilableError("a block has rescue or always", block)
        for task in block.block:
            if isinstance(task, Block):
                yield from self._of_block(task)
            elif isinstance(task, IncludeRole):
                raise NotCompilableError("roles stand in plays", task)
            elif isinstance(task, TaskInclude):
                for inner in self._included(task):
                    yield from self._of_block(inner)
            elif task.action not in {"meta", "ansible.builtin.meta"}:
                self._check(task)
                yield task
            elif task.args.get("_raw_params") not in {"flush_handlers", "role_complete"}:
                raise NotCompilableError(f"meta: {task.args.get('_raw_params')}", task)

    def _included(self, task: TaskInclude) -> list[Block]:
        """Blocks of `include_tasks`: its conditions hold for each task, as with `import_tasks`."""
        if id(task) not in self._includes:
            if task.loop is not None or task.args.get("apply"):
                raise NotCompilableError("an include has neither a loop nor `apply`", task)
            base = Path(task._role._role_path) / "tasks" if task._role else Path(self.loader.get_basedir())
            data = self.loader.load_from_file(str(base / task.args["_raw_params"]), trusted_as_template=True)
            copy = task.copy()
            copy.statically_loaded = True
            self._includes[id(task)] = load_list_of_blocks(
                data, play=task.play, parent_block=copy.build_parent_block(), role=task._role,
                use_handlers=False, loader=self.loader, variable_manager=self.manager,
            )  # fmt: skip
        return self._includes[id(task)]

    @staticmethod
    def _check(task: Any) -> None:
        attributes = type(task).fattributes
        for name in FOREIGN:
            if name in attributes:
                default = attributes[name].default
                if getattr(task, name) not in (default() if callable(default) else default, None, [], [{}], {}):
                    raise NotCompilableError(f"a bundle knows no `{name.removesuffix('_val')}`", task)
