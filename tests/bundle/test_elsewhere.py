"""Roles from elsewhere run as bundles too: their modules, and the code of collections that these share, go along."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.bundle.code import code_of
from gridmill.operations.bundle.errors import NotCompilableError
from gridmill.operations.run.plays import write_playbook
from tests.conftest import ROOT

MODULE = """\
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.gridmill.site.plugins.module_utils.checks.result import result

def main():
    AnsibleModule(argument_spec={}, supports_check_mode=True).exit_json(gridmill_checks=[result("x", ok=True)])
"""
COMPILE = """\
import json, sys
from pathlib import Path
from gridmill.operations.bundle.code import code_of
from gridmill.operations.bundle.plays import Plays
from gridmill.operations.bundle.steps import Compiler
compiler = Compiler(Plays(Path(sys.argv[1]) / "gridmill.json", Path(sys.argv[1]) / "playbook.json", check=False))
steps = compiler.compile("node-1").steps
print(json.dumps([[[step.name, step.module] for step in steps], len(code_of(compiler.modules))]))
"""


def names_in(archive: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(archive)).namelist())


def test_a_role_with_a_module_of_its_own(tmp_path: Path, one_host: dict[str, Any]) -> None:
    """In a process of its own: Ansible reads where roles are once."""
    role = tmp_path / "feature" / "roles" / "motd"
    for name, text in (("tasks/main.yml", "- name: Ask\n  own_check:\n"), ("library/own_check.py", MODULE)):
        (role / name).parent.mkdir(parents=True)
        (role / name).write_text(text, encoding="utf-8")
    (tmp_path / "gridmill.json").write_text(json.dumps(one_host), encoding="utf-8")
    write_playbook(tmp_path, [{"role": "motd", "feature": "motd"}, {"role": "verify"}])
    environment = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_ROLES_PATH": str(role.parent), "PYTHONPATH": str(ROOT),
        "LC_ALL": "C.UTF-8", "HOME": str(tmp_path),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(tmp_path)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    steps, archives = json.loads(done.stdout.splitlines()[-1])
    assert steps == [
        ["Compare the run's fencing token with the newest that was seen here",
         "ansible_collections.gridmill.site.plugins.modules.fence"],
        ["motd : Ask", "gridmill_modules.own_check"],
        ["verify : Check this host against its plan", "ansible_collections.gridmill.site.plugins.modules.verify"],
    ]  # fmt: skip
    assert archives == 3


def test_archives_of_gridmills_own_are_the_same_for_every_phase(tmp_path: Path) -> None:
    own = tmp_path / "own_check.py"
    own.write_text(MODULE, encoding="utf-8")
    plain, more = code_of([]), code_of([own])
    assert [one.digest for one in more[:2]] == [one.digest for one in plain]
    assert names_in(more[2].content) == {"gridmill_modules/own_check.py"}


def test_a_module_of_another_collection_brings_what_it_shares(tmp_path: Path) -> None:
    collection = tmp_path / "ansible_collections" / "other" / "things" / "plugins"
    for name, text in (
        ("modules/do.py", "from ansible_collections.other.things.plugins.module_utils.part import x\n"),
        ("module_utils/part.py", "from .more import x\n"),
        ("module_utils/more.py", "x = 1\n"),
        ("module_utils/unused.py", "x = 2\n"),
    ):
        (collection / name).parent.mkdir(parents=True, exist_ok=True)
        (collection / name).write_text(text, encoding="utf-8")
    *_, more = code_of([collection / "modules" / "do.py"])
    base = "ansible_collections/other/things/plugins"
    assert names_in(more.content) == {
        f"{base}/modules/do.py", f"{base}/module_utils/part.py", f"{base}/module_utils/more.py",
    }  # fmt: skip


def test_code_that_is_nowhere_is_refused_before_a_host_is_asked(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text("from ansible_collections.not_there.at_all.plugins.module_utils.x import y\n", encoding="utf-8")
    with pytest.raises(NotCompilableError, match=r"own\.py imports ansible_collections\.not_there"):
        code_of([own])
