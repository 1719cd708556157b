"""Every playbook that runs as bundles compiles for every site, and what leaves the subset is refused with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.bundle.errors import NotCompilableError, TaskFailedError
from gridmill.operations.bundle.steps import Compiler
from gridmill.operations.run.plays import PLAYBOOK, write_playbook
from tests.bundle.conftest import ROOT, Compile

PLAYBOOKS = ROOT / "playbooks"
KEY = "c2VjcmV0c2VjcmV0c2VjcmV0"
DOCUMENTS = sorted(
    path
    for path in (ROOT / "tests" / "golden").glob("*/*.json")
    if "roles" in json.loads(path.read_text(encoding="utf-8"))
)
EVERYTHING = {
    "storage_withdraw_nfs": {"data": {"path": "/srv/gridmill/data", "read_only": False}},
    "ldap_client_uris": ["ldaps://ldap.example"],
    "ldap_client_base": "dc=example",
    "ldap_client_bind_dn": "cn=reader",
    "ldap_client_bind_secret": KEY,
    "ldap_client_people": [{"name": "anna", "uid": 2001}],
    "backup_recipients": ["age1x"],
    "base_break_glass_password_hash": "$6$x$y",
    "base_own_kernel": True,
    "base_sysctl": {"vm.swappiness": "1"},
    "nvidia_kernel_modules": "dkms",
    "nvidia_fabric_manager": True,
    "gpu_power_cap": 450,
}
"""What has a role do all that it can do."""


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def playbook(directory: Path, data: dict[str, Any]) -> Path:
    (directory / PLAYBOOK).unlink(missing_ok=True)
    return write_playbook(directory, data["roles"])


def carried(data: dict[str, Any]) -> dict[str, str]:
    return {one["variable"]: KEY for one in data.get("carry", ())}


def kinds(found: Compiler) -> list[str]:
    """A host for each set of plays."""
    return list({tuple(plays): host for host, plays in found.plays.hosts.items()}.values())


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("check", [False, True])
def test_every_site_compiles(compiler: Compile, path: Path, check: bool, tmp_path: Path) -> None:
    data = document(path)
    found = compiler(data, playbook(tmp_path, data), check=check, **carried(data))
    assert set(found.plays.hosts) == set(data["hosts"])
    for host in kinds(found):
        steps = found.compile(host).steps
        assert steps[0].action == "gridmill.site.fence"
        assert steps[-1].action == "gridmill.site.verify"
        assert {step.check for step in steps} == {check}


def test_every_task_compiles_where_everything_is_on(compiler: Compile, tmp_path: Path) -> None:
    seen: set[str] = set()
    every: set[str] = set()
    for path in (path for path in DOCUMENTS if path.parent.name == "ems1"):
        data = document(path)
        groups = {
            name: {**group, "vars": {**group.get("vars", {}), **EVERYTHING}} for name, group in data["groups"].items()
        }
        found = compiler({**data, "groups": groups}, playbook(tmp_path, data), **carried(data))
        every |= {
            task.get_name(include_role_fqcn=False)
            for number in range(len(found.plays.plays))
            for task in found.plays.tasks(number)
        }
        for host in found.plays.hosts if path.stem == "storage" else kinds(found):
            seen |= {step.name for step in found.compile(host).steps}
    left = {name for name in every - seen if "Validating arguments" not in name}
    opposite = {"backup : Back nothing up where the stack has no backup", "ldap_client : Ask no directory any more",
                "gpu_power : Remove the unit", "slurm_controller : Give watts to jobs from before"}  # fmt: skip
    assert {name for name in left if not name.startswith("storage_nfs : ")} <= opposite


def test_what_depends_on_results_is_left_to_the_host(compiler: Compile, tmp_path: Path) -> None:
    data = document(ROOT / "tests/golden/ems1/pod-a.json")
    found = compiler(data, playbook(tmp_path, data), **carried(data))
    host = next(name for name in data["groups"]["compute"]["hosts"])
    steps = {step.name: step for step in found.compile(host).steps}
    start = steps["slurm_compute : Start slurmd, with its keys, its options and its program as they are"]
    assert start.rounds == [{key: start.rounds[0][key] for key in ("unit", "restart", "reload", "started")}]
    text = json.dumps(start.late["pending_change"])
    assert text.count('["result", "__slurm_compute_') == 3
    assert '"select"' in text and '"slurmd="' in text


def test_a_secret_stands_in_what_goes_to_its_host_only(compiler: Compile, tmp_path: Path) -> None:
    data = document(ROOT / "tests/golden/lab/pod-a.json")
    found = compiler(data, playbook(tmp_path, data), **carried(data))
    holders = {host for host in found.plays.hosts if KEY in json.dumps(found.compile(host).plain())}
    assert holders == set(data["groups"]["compute"]["hosts"])


def test_a_wrong_variable_fails_on_its_host_with_the_task(compiler: Compile, tmp_path: Path) -> None:
    data = document(ROOT / "tests/golden/lab/pod-a.json")
    found = compiler(
        {**data, "vars": {**data["vars"], "base_people": "nobody: 1"}}, playbook(tmp_path, data), **carried(data)
    )
    with pytest.raises(TaskFailedError) as raised:
        found.compile(next(iter(found.plays.hosts)))
    assert "base_people" in str(raised.value) or "nobody" in str(raised.value)
    assert raised.value.args[0].startswith("base : Validating arguments")


PLAY = "- name: Play\n  hosts: all\n  strategy: linear\n  gather_facts: false\n  become: true\n  tasks:\n"
COMMAND = "    - name: Do\n      ansible.builtin.command: {argv: ['true']}\n      register: __done\n"


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        # input that must be refused: a failure that is hidden would let the steps behind it run
        (COMMAND + "      ignore_errors: true\n", "knows no `ignore_errors`"),
        (COMMAND + "      delegate_to: localhost\n", "knows no `delegate_to`"),
        (COMMAND + "      run_once: true\n", "knows no `run_once`"),
        (COMMAND + "      changed_when: false\n", "knows no `changed_when`"),
        # likewise input that must be refused: it calls a failure none
        (COMMAND + "      failed_when: false\n", "knows no `failed_when`"),
        (COMMAND + "      any_errors_fatal: true\n", "knows no `any_errors_fatal`"),
        (COMMAND + "      module_defaults: {ansible.builtin.command: {chdir: /}}\n", "knows no `module_defaults`"),
        (COMMAND + "      with_items: [a]\n", "knows no `loop_with`"),
        (COMMAND + "      until: __done is succeeded\n", "knows no `until`"),
        (COMMAND + "      environment: {A: b}\n", "knows no `environment`"),
        (COMMAND + "      become: false\n", "runs as root"),
        ("    - name: Look\n      ansible.builtin.setup:\n", "nothing that a bundle brings along"),
        ("    - name: End\n      ansible.builtin.meta: end_play\n", "meta: end_play"),
        ("    - name: Block\n      block:\n        - name: Do\n          ansible.builtin.command: {argv: ['true']}\n"
         "      rescue:\n        - name: Undo\n          ansible.builtin.command: {argv: ['true']}\n", "rescue"),
        (COMMAND + "    - name: Copy\n      ansible.builtin.copy: {content: '{{ __done.stdout }}', dest: /x}\n",
         "contents know no results"),
        (COMMAND + "    - name: Loop\n      ansible.builtin.file: {path: '{{ item }}'}\n      loop: '{{ __done.lines }}'\n",
         "a loop over results"),
        (COMMAND + "    - name: Say\n      ansible.builtin.file: {path: '/x/{{ __done.stdout }}'}\n", "not one expression"),
        (COMMAND + "    - name: Say\n      ansible.builtin.file: {path: '{{ __done.stdout | upper }}'}\n", "Filter over a result"),
    ],
)  # fmt: skip
def test_what_leaves_the_subset_is_refused(
    compiler: Compile, one_host: dict[str, Any], tmp_path: Path, tasks: str, why: str
) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY + tasks, encoding="utf-8")
    with pytest.raises(NotCompilableError, match=why) as raised:
        compiler(one_host, playbook).compile("node-1")
    assert f"{playbook}:" in str(raised.value) or "expression" in why or "Filter" in why


@pytest.mark.parametrize("keyword", ["serial: 1", "any_errors_fatal: true", "become: false", "tags: [x]"])
def test_plays_are_plain(compiler: Compile, one_host: dict[str, Any], tmp_path: Path, keyword: str) -> None:
    playbook = tmp_path / "play.yml"
    name = keyword.partition(":")[0]
    plain = "".join(line for line in PLAY.splitlines(True) if name not in line)
    playbook.write_text(plain.replace("  tasks:\n", f"  {keyword}\n  tasks:\n") + COMMAND, encoding="utf-8")
    with pytest.raises(NotCompilableError, match="play"):
        compiler(one_host, playbook)


def test_values_of_the_document_are_never_templates(
    compiler: Compile, one_host: dict[str, Any], tmp_path: Path
) -> None:
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        PLAY + "    - name: Do\n      ansible.builtin.copy: {content: '{{ colour }}', dest: /x}\n", encoding="utf-8"
    )
    evil = "{{ lookup('ansible.builtin.pipe', 'id') }}"
    steps = compiler({**one_host, "vars": {"colour": evil}}, playbook).compile("node-1")
    assert list(steps.contents.values()) == [evil.encode()]
