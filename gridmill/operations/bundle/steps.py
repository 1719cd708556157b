"""From plays to steps: what one host is to do, in order, with every argument resolved.

What can be known beforehand is decided here, once, by ansible-core's own templar. Only what depends on the result of an
earlier task is left to the host, as a small expression (bundle/expressions.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gridmill.operations.bundle.ansible_internals import (
    AnsibleError,
    argument_errors,
    combined,
    is_template,
    module_file,
    role_of,
    told,
    trusted,
    variables_differ_by,
    without_omitted,
)
from gridmill.operations.bundle.code import MODULES, package_of
from gridmill.operations.bundle.errors import NotCompilableError, TaskFailedError
from gridmill.operations.bundle.expressions import Tree, names_in, tree_of
from gridmill.operations.bundle.plays import Plays

BUILTIN = "ansible.builtin."
CONTENT = frozenset({"template", "copy"})
"""Actions that put a content in place, which is rendered here."""
VALIDATION = "validate_argument_spec"
PLAIN_ARGUMENTS = frozenset(
    {"src", "dest", "content", "mode", "owner", "group", "validate", "follow", "directory_mode"}
)  # fmt: skip


ON_HOST = frozenset({"module", "rounds", "late", "when", "register", "no_log", "check", "diff", "loop"})
"""What a host needs to know of a step."""


@dataclass
class Step:
    """One task on one host; `rounds` are its arguments, one for each item of a loop."""

    name: str
    """As Ansible tells it: `role : task`."""
    role: str
    action: str
    position: int
    """The index of the task of the playbook it is."""
    module: str
    """Name of the module in the bundle's code; `content` for contents put in place."""
    rounds: list[dict[str, Any]]
    late: dict[str, Tree] = field(default_factory=dict)
    """Arguments that depend on results."""
    when: list[Tree] = field(default_factory=list)
    register: str = ""
    no_log: bool = False
    check: bool = False
    diff: bool = False
    loop: bool = False


@dataclass
class HostSteps:
    """All that one host is to do."""

    steps: list[Step] = field(default_factory=list)
    skipped: dict[str, Any] = field(default_factory=dict)
    """Results, by name, of tasks that register one and are known to be skipped."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """Contents of files, by digest."""

    def plain(self) -> list[dict[str, Any]]:
        """The steps as the host needs them; empty values are omitted."""
        return [{key: value for key, value in asdict(step).items() if value and key in ON_HOST} for step in self.steps]


class Compiler:
    """Compiles the hosts of a playbook, one after the other."""

    def __init__(self, plays: Plays) -> None:
        self.plays = plays
        self._tasks = [list(plays.tasks(number)) for number in range(len(plays.plays))]
        self.results = {task.register for tasks in self._tasks for task in tasks if task.register}
        self.modules: set[Path] = set()
        """Files of the modules that tasks use, whichever hosts they are for."""
        self._named: dict[str, str] = {}
        self.positions: dict[int, int] = {}
        for position, task in enumerate(task for tasks in self._tasks for task in tasks):
            self.module(task)
            self.positions[id(task)] = position

    def compile(self, host: str) -> HostSteps:
        """The steps of a host. TaskFailedError, with the task's name, when one fails whatever the host is like;
        NotCompilableError when one leaves what a bundle can do."""
        found = HostSteps()
        for number in self.plays.hosts.get(host, []):
            play, seen = self.plays.plays[number], {}
            for task in self._tasks[number]:
                known = variables_differ_by(task)
                if known not in seen:
                    seen[known] = self.plays.variables(play, host, task)
                self._compile_task(task, {**seen[known]}, found)
        return found

    def module(self, task: Any) -> str:
        """What a step calls for a task, which brings the modules along."""
        action = task.action.removeprefix(BUILTIN)
        if action == VALIDATION:
            return ""
        if task.action not in self._named:
            if action in CONTENT:
                self._named[task.action] = "content"
            elif task.action.startswith(BUILTIN) and action not in MODULES:
                raise NotCompilableError(f"{task.action} is nothing that a bundle brings along", task)
            else:
                path = self._file(task.action, task)
                self._named[task.action] = f"{package_of(path)}.{path.stem}"
                self.modules.add(path)
        return self._named[task.action]

    @staticmethod
    def _file(name: str, task: Any) -> Path:
        path = module_file(name, task)
        if path is None:
            raise NotCompilableError(f"there is no module {name}", task)
        return path

    def _compile_task(self, task: Any, variables: dict[str, Any], found: HostSteps) -> None:
        variables["ansible_search_path"] = [*task.get_search_path(), self.plays.project.directory]
        try:
            _OneTask(self, task, variables, found).compile()
        except AnsibleError as error:
            raise TaskFailedError(told(task), " ".join(str(error).split())) from error


class _OneTask:
    """A task, with what it sees on a host."""

    def __init__(self, compiler: Compiler, task: Any, variables: dict[str, Any], found: HostSteps) -> None:
        self.compiler = compiler
        self.task = task
        self.variables = variables
        self.found = found
        self.project = compiler.plays.project
        self.templar = self.project.templar(variables)

    def compile(self) -> None:
        """Add its step, if there is anything left to do."""
        action = self.task.action.removeprefix(BUILTIN)
        if action == VALIDATION:
            self._validate()
            return
        if not self.task.become or self.task.become_user not in (None, "root"):
            raise NotCompilableError("a bundle runs as root", self.task)
        step = Step(
            name=told(self.task), role=role_of(self.task),
            action=self.task.resolved_action or self.task.action, module=self.compiler.module(self.task), rounds=[],
            position=self.compiler.positions[id(self.task)],
            register=self.task.register or "", no_log=bool(self.task.no_log), loop=self.task.loop is not None,
            check=bool(self.task.check_mode), diff=bool(self.task.diff),
        )  # fmt: skip
        for item in self._items():
            if step.loop:
                self.variables[self.task.loop_control.loop_var] = item
                self.templar = self.project.templar(self.variables)
            if self._left_out(step):
                continue
            arguments = self._content(action) if action in CONTENT else self._arguments(self.task.args, step)
            step.rounds.append(arguments)
        if step.loop and (step.late or step.when):
            raise NotCompilableError("in a loop nothing depends on results", self.task)
        if step.rounds:
            self.found.steps.append(step)
        elif step.register:
            self.found.skipped[step.register] = {"changed": False, "skipped": True}

    def _validate(self) -> None:
        """Check the variables of a role against its argument specification, as the action of that name does."""
        specification = self.task.args.get("argument_spec", {})
        given = {name: self.variables[name] for name in specification if name in self.variables}
        given = combined(self.templar.template(given), self.templar.template(self.task.args["provided_arguments"]))
        if errors := argument_errors(specification, given):
            raise TaskFailedError(told(self.task), f"Validation of arguments failed: {' '.join(errors)}")

    def _items(self) -> list[Any]:
        if self.task.loop is None:
            return [None]
        if self._late(self.task.loop):
            raise NotCompilableError("a loop over results", self.task)
        items = self.templar.template(self.task.loop)
        if not isinstance(items, list):
            raise TaskFailedError(told(self.task), "the value of `loop` is not a list")
        return items

    def _left_out(self, step: Step) -> bool:
        """Whether a condition is known not to hold; those that depend on results are kept with the step."""
        trees = []
        for condition in self.task.when:
            if isinstance(condition, str) and self._late(f"{{{{ {condition} }}}}", ours=True):
                trees.append(self._tree(f"{{{{ {condition} }}}}"))
            elif not self.templar.evaluate_conditional(condition):
                return True
        step.when = trees
        return False

    def _arguments(self, arguments: dict[str, Any], step: Step) -> dict[str, Any]:
        late = {name: value for name, value in arguments.items() if self._late(value)}
        known = self.templar.template({name: value for name, value in arguments.items() if name not in late})
        if any(not isinstance(value, str) for value in late.values()):
            raise NotCompilableError("results stand at the top of arguments only", self.task)
        step.late = {name: self._tree(value) for name, value in late.items()}
        return without_omitted(known)

    def _late(self, value: Any, *, ours: bool = False, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a value depends on the result of a task, directly or through variables."""
        if isinstance(value, dict):
            return any(self._late(one, seen=seen) for one in value.values())
        if isinstance(value, list | tuple):
            return any(self._late(one, seen=seen) for one in value)
        if not isinstance(value, str) or "{" not in value or not (ours or is_template(value)):
            return False
        names = names_in(str(value)) - seen
        return bool(names & self.compiler.results) or any(
            self._late(self.variables.get(name), seen=seen | names) for name in names
        )

    def _tree(self, text: str) -> Tree:
        return tree_of(str(text), self._name)

    def _name(self, name: str) -> Tree:
        if name in self.compiler.results:
            return ["result", name]
        value = self.variables.get(name)
        if self._late(value):
            if not isinstance(value, str):
                raise NotCompilableError(f"{name} holds results in parts", self.task)
            return self._tree(value)
        return ["constant", self.templar.template(trusted(f"{{{{ {name} }}}}"))]

    def _content(self, action: str) -> dict[str, Any]:
        """Arguments of a file's content, which is rendered here and named by its digest."""
        if unknown := set(self.task.args) - PLAIN_ARGUMENTS:
            raise NotCompilableError(f"{action} with {', '.join(sorted(unknown))}", self.task)
        given = {name: value for name, value in self.task.args.items() if name != "content"}
        if self._late(self.task.args):
            raise NotCompilableError("contents know no results", self.task)
        arguments = without_omitted(self.templar.template(given))
        if action == "template":
            source = self.project.find(self.task, "templates", arguments["src"])
            content = self.project.rendered(self.templar, source, self.variables).encode()
        elif "src" in arguments:
            source = self.project.find(self.task, "files", arguments["src"])
            content = Path(source).read_bytes()
        else:
            source, value = arguments["dest"], self.templar.template(self.task.args["content"])
            if not isinstance(value, str):
                raise NotCompilableError("content is not text", self.task)
            content = value.encode()
        digest = hashlib.sha256(content).hexdigest()
        self.found.contents[digest] = content
        arguments.pop("src", None)
        return {**arguments, "content": digest, "basename": Path(source).name}
