"""Nothing from a definition is ever run: not while it is read, planned and printed, and not by Ansible's own tools."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.core.errors import Path as Place
from gridmill.core.errors import ProblemsError
from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition, load_definition
from gridmill.operations.commands.inventory import joined
from gridmill.operations.run.ansible import child_environment, write_inventory
from gridmill.plan import plan_site
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
LAB: Any = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))["config"]["gridmill:site"]
FORMS = (
    "{{{{ lookup('ansible.builtin.pipe', 'touch {0}') }}}}",
    "{{% set x = lookup('pipe', 'touch {0}') %}}",
    "$(touch {0})",
    "`touch {0}`",
    "x; touch {0}",
    "x\ntouch {0}",
    "| touch {0}",
    "-oProxyCommand=touch {0}",
    '!!python/object/apply:os.system ["touch {0}"]',
)


SHOW = """
- hosts: gpu
  gather_facts: false
  connection: local
  tasks:
    - ansible.builtin.debug:
        msg: '{{ base_timezone }} {{ nvidia_source }}'
      vars: {ansible_become: false}
"""


def texts(data: Any, path: Place = ()) -> Iterator[Place]:
    """Places of all texts."""
    if isinstance(data, str):
        yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield from texts(value, (*path, key))


def changed(data: Any, path: Place, value: str) -> Any:
    """The data with another text at one place."""
    result = copy.deepcopy(data)
    target = result
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    return result


def site_of(found: dict[str, Any], place: Path) -> Path:
    """The file of an inventory by hand, where the command that plans the site is a stand-in that finds this."""
    package = place / "gridmill" / "operations"
    package.mkdir(parents=True)
    (place / "found.json").write_text(json.dumps(found), encoding="utf-8")
    (package / "cli.py").write_text("print(open('found.json').read())\n", encoding="utf-8")
    inventory = place / "gridmill.yml"
    inventory.write_text("plugin: gridmill.site.gridmill\nstack: Pulumi.lab.yaml\n", encoding="utf-8")
    return inventory


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> tuple[SitePlan, Path]:
    """The lab's plan with an attack in every place where one is a valid text, and the file that would show it."""
    canary = tmp_path_factory.mktemp("canary") / "touched"
    data = copy.deepcopy(LAB)
    taken = 0
    for number, path in enumerate(texts(LAB)):
        for form in (*FORMS[number % len(FORMS) :], *FORMS[: number % len(FORMS)]):
            tried = changed(data, path, form.format(canary))
            try:
                plan_site(build_definition(tried, ROOT))
            except ProblemsError:
                continue
            data = tried
            taken += 1
            break
    assert taken >= 3, "texts for people take any one line; otherwise this test would show nothing"
    return plan_site(build_definition(data, ROOT)), canary


def test_reading_and_printing_run_nothing(accepted: tuple[SitePlan, Path]) -> None:
    assert not accepted[1].exists()


@pytest.mark.parametrize("form", FORMS)
def test_a_stack_file_with_attacks_everywhere_runs_nothing(form: str, tmp_path: Path) -> None:
    canary = tmp_path / "touched"
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    data = LAB
    for path in texts(LAB):
        if path not in {("name",)}:
            data = changed(data, path, form.format(canary))
    stack = tmp_path / "Pulumi.bad.yaml"
    stack.write_text(yaml.safe_dump({"config": {"gridmill:site": data}}), encoding="utf-8")
    with pytest.raises(ProblemsError):
        load_definition(stack)
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["run", "by hand"])
def test_ansible_runs_nothing(kind: str, accepted: tuple[SitePlan, Path], tmp_path: Path) -> None:
    """Every value of every document through the inventory plugin, as a run and as people use it."""
    plan, canary = accepted
    phases = documents(plan)
    evil = FORMS[0].format(canary)
    document = json.loads(json.dumps(phases["pod-a"]))
    # what the model would never let through, as if it had
    document["vars"] |= {"base_timezone": evil, "ansible_remote_tmp_x": evil}
    document["groups"]["gpu"]["vars"]["nvidia_source"] = evil
    if kind == "run":
        inventory = write_inventory(tmp_path, document, {"base_break_glass_password_hash": evil})
    else:
        inventory = site_of(joined({**phases, "pod-a": document}), tmp_path)
    playbook = tmp_path / "show.yml"
    playbook.write_text(SHOW, encoding="utf-8")
    for command in (["ansible-inventory", "--list"], ["ansible-playbook", str(playbook)]):
        result = subprocess.run(
            [BIN / command[0], "--inventory", inventory, *command[1:]],
            env=child_environment(tmp_path),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert "lookup(" in result.stdout
        assert not canary.exists(), command


def test_no_variable_of_ansibles_own_can_come_from_a_stack(accepted: tuple[SitePlan, Path]) -> None:
    """All names of variables are ours: no key of the stack becomes one."""
    for document in documents(accepted[0]).values():
        groups = [group.get("vars", {}) for group in document["groups"].values()]
        for variables in (document["vars"], *groups):
            assert not [name for name in variables if name.startswith(("ansible_", "__"))]
