"""The inventory and callback plugins, through Ansible itself and without any host."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.run.ansible import child_environment, write_inventory
from gridmill.operations.run.supervise import supervise
from tests.conftest import ROOT

BIN = Path(sys.executable).parent


def inventory_of(document: dict[str, Any], secrets: dict[str, str], directory: Path) -> dict[str, Any]:
    path = write_inventory(directory, document, secrets)
    result = subprocess.run(
        [BIN / "ansible-inventory", "--inventory", path, "--list"],
        env=child_environment(directory),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "WARNING" not in result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_hosts_groups_and_variables(lab_plan: SitePlan, tmp_path: Path) -> None:
    found = inventory_of(documents(lab_plan)["pod-a"], {"slurm_compute_auth_keys": "a2V5"}, tmp_path)
    assert found["gpu"]["hosts"] == found["compute"]["hosts"] == ["pod-a-r1-u01", "pod-a-r1-u09"]
    assert found["controllers"]["hosts"] == ["pod-a-r1-u40"]
    assert found["machines"]["hosts"] == ["pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38"], (
        "the controller is only asked"
    )
    node = found["_meta"]["hostvars"]["pod-a-r1-u01"]
    expected = {
        "ansible_host": "198.18.4.65",
        "base_fqdn": "pod-a-r1-u01.lab.gridmill.test",
        "base_address": "198.18.4.65",
        "ansible_user": "gridmill",
        "ansible_become": True,
        "nvidia_gpu_count": 8,
        "slurm_compute_auth_keys": "a2V5",
        "dns_client_servers": ["198.18.4.104"],
    }
    assert {key: untagged(node.get(key)) for key in expected} == expected
    assert "StrictHostKeyChecking=yes" in untagged(node["ansible_ssh_common_args"])


def untagged(value: Any) -> Any:
    """The value without Ansible's mark of untrusted text; text without the mark fails."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"]
    assert not isinstance(value, str), f"{value} is trusted as a template"
    return [untagged(item) for item in value] if isinstance(value, list) else value


def test_a_template_in_a_value_stays_text_and_runs_nothing(lab_plan: SitePlan, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = "{{ lookup('ansible.builtin.pipe', 'touch " + str(canary) + "') }}"
    document = json.loads(json.dumps(documents(lab_plan)["pod-a"]))
    document["vars"]["base_timezone"] = document["domain"] = evil
    document["groups"]["gpu"]["vars"]["nvidia_driver_version"] = evil
    path = write_inventory(tmp_path, document, {"base_break_glass_password_hash": evil})
    playbook = tmp_path / "show.yml"
    playbook.write_text(
        "- hosts: gpu\n  gather_facts: false\n  connection: local\n  become: false\n  tasks:\n"
        "    - ansible.builtin.debug:\n        msg: '{{ base_timezone }} {{ nvidia_driver_version }}"
        " {{ base_break_glass_password_hash }} {{ base_fqdn }}'\n      vars: {ansible_become: false}\n"
    )
    result = subprocess.run(
        [BIN / "ansible-playbook", "--inventory", path, playbook],
        env=child_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "pod-a-r1-u01.{{ lookup(" in result.stdout
    assert not canary.exists()


def test_a_document_that_is_none_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "gridmill.json"
    path.write_text("{}")
    result = subprocess.run(
        [BIN / "ansible-inventory", "--inventory", path, "--list"],
        env=child_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert "is not a converge document" in result.stderr


PLAY = """
- hosts: all
  gather_facts: false
  connection: local
  vars: {ansible_become: false}
  tasks:
    - name: Everyone changes in secret
      ansible.builtin.command: {cmd: "/bin/echo canary-55"}
      no_log: true
    - name: Everyone speaks
      ansible.builtin.debug: {msg: checks}
    - name: One host fails
      ansible.builtin.fail: {msg: "no\\n  luck"}
      when: inventory_hostname == 'pod-a-r1-u01'
    - name: One fails in secret
      ansible.builtin.command: {cmd: "/bin/sh -c 'echo canary-55; exit 1'"}
      no_log: true
      when: inventory_hostname == 'pod-a-r1-u09'
"""


def test_events_name_hosts_and_tasks_and_no_secret(lab_plan: SitePlan, tmp_path: Path) -> None:
    path = write_inventory(tmp_path, documents(lab_plan)["pod-a"], {})
    playbook = tmp_path / "play.yml"
    playbook.write_text(PLAY)
    lines: list[str] = []
    with (tmp_path / "log").open("wb") as log:
        supervise(
            [str(BIN / "ansible-playbook"), "--inventory", str(path), str(playbook)],
            child_environment(tmp_path),
            log,
            lines.append,
            lambda: None,
        )
    events = [json.loads(line) for line in lines]
    failed = {event["host"]: (event["task"], event["message"]) for event in events if event["event"] == "failed"}
    assert failed == {
        "pod-a-r1-u01": ("One host fails", "no luck"),
        "pod-a-r1-u09": ("One fails in secret", "failed; its output is secret"),
    }, (tmp_path / "log").read_text()
    assert {event["host"] for event in events if event["event"] == "changed"} == {
        *failed,
        "pod-a-r1-u38",
        "pod-a-r1-u40",
    }
    assert {event["task"] for event in events if event["event"] == "changed"} == {"Everyone changes in secret"}
    assert {event["host"] for event in events if event["event"] == "stats"} == {"pod-a-r1-u38", "pod-a-r1-u40"}
    assert "canary-55" not in "".join(lines) + (tmp_path / "log").read_text()
