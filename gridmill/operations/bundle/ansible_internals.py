"""All that the compiler uses of ansible-core, in one place: hardly any of it is promised to stay.

Nothing else in this package imports Ansible. What is used here is listed, with what for, in this module's test, which
says so when another version has it no longer; the version is pinned in requirements.in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ansible
from ansible import context
from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible._internal._templating._utils import Omit
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.playbook.block import Block
from ansible.playbook.helpers import load_list_of_blocks
from ansible.playbook.role_include import IncludeRole
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.loader import init_plugin_loader, module_loader
from ansible.release import __version__ as VERSION  # noqa: N812 - a constant here
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.context_objects import CLIArgs
from ansible.utils.vars import combine_vars, load_options_vars
from ansible.vars.manager import VariableManager

from gridmill.operations.places import PLAYBOOKS

__all__ = ["VERSION", "AnsibleError", "Templar"]

PACKAGE = Path(ansible.__file__).parent
"""Where Ansible's code lies, of which a part goes to hosts."""
PROFILES = "module_utils/_internal/_json/_profiles"
"""Below it: how arguments and answers are encoded. Loaded by name on hosts, so that no import names it."""
TEMPLATE_OPTIONS = {"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"}
"""As the action `template` has them by default."""


def find_collections() -> None:
    """Have collections found, Gridmill's before others, also by Python's `import`; once a process."""
    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([str(PLAYBOOKS / "collections")])


def module_source(name: str) -> Path:
    """File of a module of Ansible's own."""
    return PACKAGE / "modules" / f"{name}.py"


def sources_loaded_by_name() -> list[Path]:
    """Files that modules need on a host though nothing imports them."""
    return [PACKAGE / "module_utils" / "basic.py", *(PACKAGE / PROFILES).glob("*.py")]


class Project:
    """A playbook over an inventory, as Ansible reads them. One at a time: Ansible keeps options in globals."""

    def __init__(self, inventory: Path, playbook: Path, *, check: bool) -> None:
        """AnsibleError for what Ansible refuses."""
        options = {"check": check, "diff": check, "forks": 1, "tags": ["all"], "skip_tags": [], "verbosity": 0}
        context.CLIARGS = CLIArgs(options)
        if hasattr(load_options_vars, "options_vars"):  # of another check mode, in the same process
            del load_options_vars.options_vars
        find_collections()
        self.loader = DataLoader()
        self.loader.set_basedir(str(playbook.parent))
        self.inventory = InventoryManager(self.loader, sources=[str(inventory)])
        self.manager = VariableManager(self.loader, self.inventory)
        self.plays: list[Any] = Playbook.load(
            str(playbook), variable_manager=self.manager, loader=self.loader
        ).get_plays()
        for play in self.plays:
            play.post_validate(Templar(self.loader, variables=self.manager.get_vars(play=play)))

    @property
    def directory(self) -> str:
        """The playbook's."""
        return str(self.loader.get_basedir())

    def hosts(self, pattern: Any = "all", order: Any = None) -> list[str]:
        """Names of hosts that a pattern stands for."""
        return [host.name for host in self.inventory.get_hosts(pattern, order=order)]

    def variables(self, play: Any, host: str, task: Any, everybody: list[str]) -> dict[str, Any]:
        """What a task sees on a host, but for its check mode. `everybody` are all hosts, asked for once."""
        found: dict[str, Any] = self.manager.get_vars(
            play=play, host=self.inventory.hosts[host], task=task, _hosts=everybody, _hosts_all=everybody
        )
        return found

    def included(self, task: TaskInclude) -> list[Block]:
        """Blocks of `include_tasks`, as if they were imported: its conditions hold for each task."""
        base = Path(task._role._role_path) / "tasks" if task._role else Path(self.directory)
        data = self.loader.load_from_file(str(base / task.args["_raw_params"]), trusted_as_template=True)
        copy = task.copy()
        copy.statically_loaded = True
        blocks: list[Block] = load_list_of_blocks(
            data, play=task.play, parent_block=copy.build_parent_block(), role=task._role,
            use_handlers=False, loader=self.loader, variable_manager=self.manager,
        )  # fmt: skip
        return blocks

    def templar(self, variables: dict[str, Any]) -> Templar:
        """Ansible's own, over these variables."""
        return Templar(self.loader, variables=variables)

    def find(self, task: Any, place: str, name: str) -> str:
        """A file that a task names, of `files` or `templates`. AnsibleError where there is none."""
        return str(self.loader.path_dwim_relative_stack(task.get_search_path(), place, name))

    def rendered(self, templar: Templar, source: str, variables: dict[str, Any]) -> str:
        """A template's text, as the action `template` makes it."""
        text = trust_as_template(self.loader.get_text_file_contents(source))
        paths = [*variables["ansible_search_path"], str(Path(source).parent)]
        search = [path for one in paths for path in (f"{one}/templates", one)]
        other = templar.copy_with_new_env(searchpath=search, available_variables=variables)
        rendered = other.template(text, escape_backslashes=False, overrides=TEMPLATE_OPTIONS)
        return "" if rendered is None else str(rendered)


def is_block(task: Any) -> bool:
    """Whether this holds tasks of its own."""
    return isinstance(task, Block)


def includes_role(task: Any) -> bool:
    """Whether this is `include_role`; `import_role` is resolved by then."""
    return isinstance(task, IncludeRole)


def includes_tasks(task: Any) -> bool:
    """Whether this is `include_tasks`."""
    return isinstance(task, TaskInclude)


def said(task: Any, keyword: str) -> bool:
    """Whether a task has this keyword, with another value than the one that says nothing. LookupError where Ansible
    knows no such keyword."""
    default = type(task).fattributes[keyword].default
    return getattr(task, keyword) not in (default() if callable(default) else default, None, [], [{}], {})


def role_of(task: Any) -> str:
    """The plain name of a task's role, without its collection; empty without a role."""
    return str(task._role.get_name(include_role_fqcn=False)) if task._role else ""


def told(task: Any) -> str:
    """`role : task`, with the role's plain name."""
    return str(task.get_name(include_role_fqcn=False))


def variables_differ_by(task: Any) -> int:
    """Tasks with the same number see the same variables on a host: those of one role that set none of their own."""
    return id(task) if task.get_vars() else id(task._role)


def module_file(name: str, task: Any) -> Path | None:
    """The file of a module by the name that a task has for it; None where there is none."""
    if task._role:
        module_loader.add_directory(str(Path(task._role._role_path) / "library"))
    path = module_loader.find_plugin(name, collection_list=task.collections)
    return Path(path) if path else None


def is_template(value: str) -> bool:
    """Whether Ansible would evaluate this text: it stands in a playbook or a role, and not in a document."""
    return bool(TrustedAsTemplate.is_tagged_on(value))


def trusted(text: str) -> str:
    """A text of ours that Ansible may evaluate."""
    found: str = trust_as_template(text)
    return found


def without_omitted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments but those that a template said to omit."""
    return {name: value for name, value in arguments.items() if value is not Omit}


def combined(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Variables, of which the second win."""
    found: dict[str, Any] = combine_vars(first, second)
    return found


def argument_errors(specification: dict[str, Any], given: dict[str, Any]) -> Iterable[str]:
    """What is wrong with the variables of a role, as `validate_argument_spec` says it."""
    found: list[str] = (
        ArgumentSpecValidator(specification).validate(given, validate_role_argument_spec=True).error_messages
    )
    return found
