"""The collection as Ansible itself finds it: by name, from this checkout's configuration, with the events of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.operations.playbooks import COLLECTION, SITE
from gridmill.operations.run.plays import write_playbook
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
CHECK = {"check": "package", "name": "no-such-package"}
DOCUMENT: dict[str, Any] = {
    "connection": {"user": "root", "identityFile": "id", "knownHostsFile": "known", "become": False},
    "domain": "test", "vars": {"verify_checks": [CHECK]}, "groups": {}, "hosts": {"node-1": {"address": "192.0.2.1"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of the fence and the role `verify`, in check mode and on this machine."""
    directory = tmp_path_factory.mktemp("run")
    (directory / "gridmill.json").write_text(json.dumps(DOCUMENT), encoding="utf-8")
    playbook = write_playbook(directory, [{"role": "verify"}])
    read, write = os.pipe()
    environment = {
        "PATH": f"{BIN}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(directory), "LC_ALL": "C.UTF-8",
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "GRIDMILL_EVENTS_FD": str(write),
    }  # fmt: skip
    here = [
        "-e",
        "ansible_connection=local",
        "-e",
        "ansible_become=false",
        "-e",
        f"ansible_python_interpreter={sys.executable}",
    ]
    command = [str(BIN / "ansible-playbook"), "--check", "-i", str(directory / "gridmill.json"), *here, str(playbook)]
    done = subprocess.run(
        command, env=environment, pass_fds=(write,), cwd=directory, capture_output=True, text=True, check=False
    )
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as stream:
        found = [json.loads(line) for line in stream]
    assert found, done.stdout + done.stderr
    return found


def test_roles_are_told_by_their_plain_names(events: list[dict[str, Any]]) -> None:
    tasks = [(one["role"], one["task"]) for one in events if one["event"] == "task"]
    assert tasks[0] == ("", "Compare the run's fencing token with the newest that was seen here")
    assert ("verify", "Check this host against its plan") in tasks
    assert COLLECTION not in json.dumps(tasks)


def test_modules_find_what_they_share(events: list[dict[str, Any]]) -> None:
    (checks,) = [one["checks"] for one in events if one["event"] == "checks"]
    assert [(one["check"], one["ok"]) for one in checks] == [("package no-such-package", False)]


def test_every_module_documents_itself_by_its_full_name() -> None:
    for path in sorted((SITE / "plugins" / "modules").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        tasks = yaml.safe_load(text.partition('EXAMPLES = r"""')[2].partition('"""')[0])
        assert any(f"{COLLECTION}.{path.stem}" in task for task in tasks), path.name
        assert f"\nmodule: {path.stem}\n" in text, path.name


def test_its_version_is_gridmills() -> None:
    said = yaml.safe_load((SITE / "galaxy.yml").read_text(encoding="utf-8"))
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{said["version"]}"' in project
    assert f"{said['namespace']}.{said['name']}" == COLLECTION
