"""What bundles use of ansible-core is still there and means what it meant: said by name, so that whoever raises the
version knows what to look at."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.bundle import ansible_internals as internals
from gridmill.operations.bundle import plays
from tests.bundle.conftest import ROOT

USED = {
    "ansible.context:CLIARGS": "options of the run, check mode among them",
    "ansible._internal._datatag._tags:TrustedAsTemplate.is_tagged_on": "to tell templates from values of a document",
    "ansible._internal._templating._utils:Omit": "arguments that a template omits",
    "ansible.inventory.manager:InventoryManager.get_hosts": "hosts of a pattern",
    "ansible.module_utils.common.arg_spec:ArgumentSpecValidator.validate": "argument specifications of roles",
    "ansible.parsing.dataloader:DataLoader.path_dwim_relative_stack": "files and templates that a role names",
    "ansible.parsing.dataloader:DataLoader.load_from_file": "task files that are included",
    "ansible.playbook:Playbook.load": "playbooks",
    "ansible.playbook.block:Block.fattributes": "blocks that a bundle refuses",
    "ansible.playbook.helpers:load_list_of_blocks": "task files that are included",
    "ansible.playbook.role_include:IncludeRole": "a way to run roles that a bundle refuses",
    "ansible.playbook.task:Task.fattributes": "keywords of tasks",
    "ansible.playbook.task:Task.get_search_path": "where a role's files are looked for",
    "ansible.playbook.task_include:TaskInclude.build_parent_block": "conditions of includes",
    "ansible.plugins.loader:init_plugin_loader": "collections",
    "ansible.plugins.loader:module_loader.find_plugin": "files of modules",
    "ansible.template:Templar.copy_with_new_env": "templates that include others",
    "ansible.template:Templar.evaluate_conditional": "conditions that are known beforehand",
    "ansible.template:trust_as_template": "templates in files",
    "ansible.utils.collection_loader:AnsibleCollectionConfig.collection_finder": "whether collections are found already",
    "ansible.utils.context_objects:CLIArgs": "options of the run",
    "ansible.utils.vars:combine_vars": "variables of roles",
    "ansible.utils.vars:load_options_vars": "where options are kept from one run to the next",
    "ansible.vars.manager:VariableManager.get_vars": "precedence of variables",
    "ansible.module_utils.basic:_ANSIBLE_ARGS": "how a host hands a module its arguments",
    "ansible.module_utils.basic:_ANSIBLE_PROFILE": "how a host's modules encode their answers",
}
"""Names in ansible-core, and what they are used for."""
ARGUMENTS = {
    "ansible.playbook:Playbook.load": {"file_name", "variable_manager", "loader"},
    "ansible.playbook.helpers:load_list_of_blocks": {
        "play", "parent_block", "role", "use_handlers", "variable_manager", "loader",
    },
    "ansible.parsing.dataloader:DataLoader.load_from_file": {"trusted_as_template"},
    "ansible.template:Templar.copy_with_new_env": {"searchpath", "available_variables"},
    "ansible.template:Templar.template": {"escape_backslashes", "overrides"},
    "ansible.vars.manager:VariableManager.get_vars": {"play", "host", "task", "_hosts", "_hosts_all"},
    "ansible.playbook.task:Task.get_name": {"include_role_fqcn"},
    "ansible.playbook.role:Role.get_name": {"include_role_fqcn"},
    "ansible.plugins.loader:module_loader.find_plugin": {"name", "collection_list"},
}  # fmt: skip
"""Arguments that are given by name."""
COMPILED = {
    "action", "args", "become", "become_exe", "become_flags", "become_method", "become_user", "check_mode", "collections",
    "connection", "diff", "loop", "loop_control", "name", "no_log", "port", "register", "remote_user", "tags", "vars", "when",
}  # fmt: skip
"""Keywords of tasks that a bundle has regard to, or that say how Ansible connects."""
MEANINGLESS = {"async", "delay", "delegate_facts", "poll"}
"""Keywords that say nothing without another that is refused, or that are another name of it."""
PLAY = (
    "- hosts: all\n  strategy: linear\n  gather_facts: false\n  become: true\n  vars: {own: '{{ 1 + 1 }}'}\n  tasks:\n"
)


def found(name: str) -> Any:
    module, _, path = name.partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("name", sorted(USED))
def test_what_is_used_is_there(name: str) -> None:
    try:
        found(name)
    except (ImportError, AttributeError) as error:
        pytest.fail(f"ansible-core {internals.VERSION} has no {name}, used for {USED[name]}: {error}")


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_what_is_used_takes_the_arguments_that_it_is_given(name: str) -> None:
    missing = ARGUMENTS[name] - set(inspect.signature(found(name)).parameters)
    assert not missing, f"ansible-core {internals.VERSION}: {name} takes no {', '.join(sorted(missing))} any more"


def test_every_import_of_the_adapter_is_in_the_table() -> None:
    text = Path(internals.__file__).read_text(encoding="utf-8")
    lines = [line.split() for line in text.splitlines() if line.startswith("from ansible") and "import" in line]
    modules = {words[1] for words in lines} - {"ansible", "ansible.errors", "ansible.release"}
    assert modules <= {name.partition(":")[0] for name in USED}


def test_every_keyword_of_tasks_is_compiled_or_refused() -> None:
    known = COMPILED | MEANINGLESS | set(plays.FOREIGN)
    there = set(found("ansible.playbook.task:Task.fattributes"))
    assert not there - known, f"ansible-core {internals.VERSION} has new keywords of tasks: does a bundle refuse them?"
    assert not known - there, f"ansible-core {internals.VERSION} has these keywords no longer, so nobody refuses them"


def test_how_arguments_are_encoded_is_where_hosts_are_given_it_from() -> None:
    names = {path.name for path in internals.sources_loaded_by_name()}
    assert {"basic.py", "_module_legacy_c2m.py", "_module_legacy_m2c.py"} <= names
    assert all(path.is_file() for path in internals.sources_loaded_by_name())


class Compiled:
    """One playbook over the smallest document, as Ansible reads it."""

    def __init__(self, directory: Path, tasks: str, document: dict[str, Any], *, check: bool = False) -> None:
        (directory / "gridmill.json").write_text(json.dumps(document), encoding="utf-8")
        (directory / "play.yml").write_text(PLAY + tasks, encoding="utf-8")
        self.project = internals.Project(directory / "gridmill.json", directory / "play.yml", check=check)
        (self.play,) = self.project.plays
        self.task = self.play.compile()[1].block[0]
        self.variables = self.project.variables(self.play, "node-1", self.task, self.project.hosts())


COMMAND = "    - name: Do\n      ansible.builtin.command:\n        argv: ['{{ colour }}', '{{ nothing_such | default(omit) }}']\n"


def test_only_what_stands_in_playbooks_is_a_template(tmp_path: Path, one_host: dict[str, Any]) -> None:
    one = Compiled(tmp_path, COMMAND, {**one_host, "vars": {"colour": "{{ 1 + 1 }}"}})
    assert internals.is_template(one.variables["own"]) and not internals.is_template(one.variables["colour"])
    templar = one.project.templar(one.variables)
    assert templar.template(one.variables["own"]) == 2
    assert templar.template(internals.trusted("{{ colour }}")) == "{{ 1 + 1 }}"
    assert templar.template("{{ own }}") == "{{ own }}", "a text that nobody trusts"


def test_what_is_omitted_is_left_out(tmp_path: Path, one_host: dict[str, Any]) -> None:
    one = Compiled(tmp_path, COMMAND, one_host)
    arguments = {"a": internals.trusted("{{ nothing_such | default(omit) }}"), "b": "x"}
    assert internals.without_omitted(one.project.templar(one.variables).template(arguments)) == {"b": "x"}


def test_a_keyword_counts_when_it_says_something(tmp_path: Path, one_host: dict[str, Any]) -> None:
    plain = Compiled(tmp_path, COMMAND, one_host).task
    assert not [name for name in plays.FOREIGN if internals.said(plain, name)]
    other = Compiled(tmp_path, COMMAND + "      run_once: true\n      environment: {A: b}\n", one_host).task
    assert {name for name in plays.FOREIGN if internals.said(other, name)} == {"run_once", "environment"}
    with pytest.raises(KeyError):
        internals.said(plain, "no_such_keyword")


@pytest.mark.parametrize("check", [False, True])
def test_check_mode_is_an_option_of_each_run(tmp_path: Path, one_host: dict[str, Any], check: bool) -> None:
    one = Compiled(tmp_path, COMMAND, one_host, check=check)
    assert bool(one.task.check_mode) is check and one.variables["ansible_check_mode"] is check


def test_roles_of_the_collection_are_told_by_their_plain_names(tmp_path: Path, one_host: dict[str, Any]) -> None:
    (tmp_path / "gridmill.json").write_text(json.dumps(one_host), encoding="utf-8")
    play = PLAY.replace("  tasks:\n", "  roles: [gridmill.site.chrony]\n")
    (tmp_path / "play.yml").write_text(play, encoding="utf-8")
    project = internals.Project(tmp_path / "gridmill.json", tmp_path / "play.yml", check=True)
    tasks = [task for block in project.plays[0].compile() for task in block.block if task._role]
    assert {internals.role_of(task) for task in tasks} == {"chrony"}
    assert all(internals.told(task).startswith("chrony : ") for task in tasks)


def test_arguments_of_roles_are_judged_as_ansible_does() -> None:
    specification = {"who": {"type": "str", "required": True}, "many": {"type": "int"}}
    assert list(internals.argument_errors(specification, {"who": "x", "many": 1})) == []
    missing, wrong = internals.argument_errors(specification, {"many": "x"})
    assert "who" in missing and "many" in wrong


def test_nothing_else_of_the_compiler_imports_ansible() -> None:
    for path in (ROOT / "gridmill" / "operations").rglob("*.py"):
        if path != Path(internals.__file__):
            text = path.read_text(encoding="utf-8")
            assert not [line for line in text.splitlines() if line.startswith(("import ansible", "from ansible"))], path
