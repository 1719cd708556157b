"""From plays to steps: what one host is to do, in order, with every argument resolved.

What can be known beforehand is decided here, once, by ansible-core's own templar. Only what depends on the result of an
earlier task is left to the host, as a small expression (bundle/expressions.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible._internal._templating._utils import Omit
from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.loader import module_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.vars import combine_vars

from gridmill.operations.bundle.code import MODULES, package_of
from gridmill.operations.bundle.errors import NotCompilableError, TaskFailedError
from gridmill.operations.bundle.expressions import Tree, names_in, tree_of
from gridmill.operations.bundle.plays import Plays

BUILTIN = "ansible.builtin."
CONTENT = frozenset({"template", "copy"})
"""Actions that put a content in place, which is rendered here."""
VALIDATION = "validate_argument_spec"
TEMPLATE_OPTIONS = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
"""As the action `template` has them by default."""
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
                known = id(task._role) if not task.get_vars() else id(task)
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
        if task._role:
            module_loader.add_directory(str(Path(task._role._role_path) / "library"))
        path = module_loader.find_plugin(name, collection_list=task.collections)
        if not path:
            raise NotCompilableError(f"there is no module {name}", task)
        return Path(path)

    def _compile_task(self, task: Any, variables: dict[str, Any], found: HostSteps) -> None:
        variables["ansible_search_path"] = [*task.get_search_path(), self.plays.loader.get_basedir()]
        try:
            _OneTask(self, task, variables, found).compile()
        except AnsibleError as error:
            raise TaskFailedError(told(task), " ".join(str(error).split())) from error


def told(task: Any) -> str:
    """`role : task`, with the role's plain name."""
    return str(task.get_name(include_role_fqcn=False))


class _OneTask:
    """A task, with what it sees on a host."""

    def __init__(self, compiler: Compiler, task: Any, variables: dict[str, Any], found: HostSteps) -> None:
        self.compiler = compiler
        self.task = task
        self.variables = variables
        self.found = found
        self.loader = compiler.plays.loader
        self.templar = Templar(self.loader, variables=variables)

    def compile(self) -> None:
        """Add its step, if there is anything left to do."""
        action = self.task.action.removeprefix(BUILTIN)
        if action == VALIDATION:
            self._validate()
            return
        if not self.task.become or self.task.become_user not in (None, "root"):
            raise NotCompilableError("a bundle runs as root", self.task)
        step = Step(
            name=told(self.task), role=self.task._role.get_name(include_role_fqcn=False) if self.task._role else "",
            action=self.task.resolved_action or self.task.action, module=self.compiler.module(self.task), rounds=[],
            position=self.compiler.positions[id(self.task)],
            register=self.task.register or "", no_log=bool(self.task.no_log), loop=self.task.loop is not None,
            check=bool(self.task.check_mode), diff=bool(self.task.diff),
        )  # fmt: skip
        for item in self._items():
            if step.loop:
                self.variables[self.task.loop_control.loop_var] = item
                self.templar = Templar(self.loader, variables=self.variables)
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
        given = combine_vars(self.templar.template(given), self.templar.template(self.task.args["provided_arguments"]))
        errors = ArgumentSpecValidator(specification).validate(given, validate_role_argument_spec=True).error_messages
        if errors:
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
            if isinstance(condition, str) and self._late(f"{{{{ {condition} }}}}", trusted=True):
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
        return {name: value for name, value in known.items() if value is not Omit}

    def _late(self, value: Any, *, trusted: bool = False, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a value depends on the result of a task, directly or through variables."""
        if isinstance(value, dict):
            return any(self._late(one, seen=seen) for one in value.values())
        if isinstance(value, list | tuple):
            return any(self._late(one, seen=seen) for one in value)
        if not isinstance(value, str) or "{" not in value or not (trusted or TrustedAsTemplate.is_tagged_on(value)):
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
        return ["constant", self.templar.template(trust_as_template(f"{{{{ {name} }}}}"))]

    def _content(self, action: str) -> dict[str, Any]:
        """Arguments of a file's content, which is rendered here and named by its digest."""
        if unknown := set(self.task.args) - PLAIN_ARGUMENTS:
            raise NotCompilableError(f"{action} with {', '.join(sorted(unknown))}", self.task)
        given = {name: value for name, value in self.task.args.items() if name != "content"}
        if self._late(self.task.args):
            raise NotCompilableError("contents know no results", self.task)
        arguments = {name: value for name, value in self.templar.template(given).items() if value is not Omit}
        if action == "template":
            content, source = self._rendered(arguments)
        elif "src" in arguments:
            source = self._find("files", arguments["src"])
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

    def _find(self, place: str, name: str) -> str:
        return str(self.loader.path_dwim_relative_stack(self.task.get_search_path(), place, name))

    def _rendered(self, arguments: dict[str, Any]) -> tuple[bytes, str]:
        """Content and source of a template."""
        source = self._find("templates", arguments["src"])
        text = trust_as_template(self.loader.get_text_file_contents(source))
        paths = [*self.variables["ansible_search_path"], str(Path(source).parent)]
        search = [path for one in paths for path in (f"{one}/templates", one)]
        templar = self.templar.copy_with_new_env(searchpath=search, available_variables=self.variables)
        rendered = templar.template(text, escape_backslashes=False, overrides=TEMPLATE_OPTIONS)
        return ("" if rendered is None else str(rendered)).encode(), source
