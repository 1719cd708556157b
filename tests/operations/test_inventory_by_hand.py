"""inventories/<site>/ for plain Ansible: what `ansible-inventory` and `ansible` make of it, typed in the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import load_definition
from gridmill.operations.commands.inventory import both, joined, matching
from gridmill.plan import plan_site
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
SAMPLES = sorted(path.parent.name for path in (ROOT / "inventories").glob("*/gridmill.yml"))


def ansible(command: str, *arguments: str, place: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "GRIDMILL_"))}
    settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1", **environment}
    return subprocess.run(
        [BIN / command, *arguments], cwd=place, env={**kept, **settings}, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


def listed(site: str, place: Path = ROOT, **environment: str) -> dict[str, Any]:
    done = ansible("ansible-inventory", "-i", f"inventories/{site}", "--list", "--export", place=place, **environment)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def plain(value: Any) -> Any:
    """A value without Ansible's marks of untrusted text."""
    if isinstance(value, dict):
        return (
            plain(value["__ansible_unsafe"]) if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
        )
    return [plain(item) for item in value] if isinstance(value, list) else value


def variables(found: dict[str, Any], name: str) -> dict[str, Any]:
    """What a machine gets: its groups' variables, which do not contradict each other, and its own before them."""
    merged: dict[str, Any] = {}
    for group, data in found.items():
        if group != "_meta" and (group == "all" or name in data.get("hosts", ())):
            for variable, value in data.get("vars", {}).items():
                assert merged.setdefault(variable, value) == value, (group, variable)
    own: dict[str, Any] = plain({**merged, **found["_meta"]["hostvars"].get(name, {})})
    return own


@pytest.mark.parametrize("site", SAMPLES)
def test_every_machine_gets_what_the_phases_say(site: str) -> None:
    """The values that a run would have; of lists (checks) those of all phases."""
    found = listed(site)
    plan = plan_site(load_definition(ROOT / f"Pulumi.{site}.yaml"))
    for phase, document in documents(plan).items():
        groups = [(document["hosts"], document["vars"])]
        groups += [(group["hosts"], group.get("vars", {})) for group in document["groups"].values()]
        for names, wanted in groups:
            for name in names:
                given = variables(found, name)
                for variable, value in wanted.items():
                    if isinstance(value, list):
                        assert [item for item in value if item not in given[variable]] == [], (phase, name, variable)
                    else:
                        assert given[variable] == value, (phase, name, variable)


def test_the_samples_are_those_of_the_stacks() -> None:
    assert sorted(path.stem.removeprefix("Pulumi.") for path in ROOT.glob("Pulumi.*.yaml")) == SAMPLES


def test_the_graph_shows_groups_and_machines() -> None:
    done = ansible("ansible-inventory", "-i", "inventories/lab", "--graph")
    assert done.returncode == 0, done.stderr
    assert "  |--@gpu:\n  |  |--pod-a-r1-u01\n  |  |--pod-a-r1-u09\n" in done.stdout
    assert "  |--@controllers:\n  |  |--pod-a-r1-u40\n" in done.stdout


def test_a_machine_is_reached_as_a_run_reaches_it(tmp_path: Path) -> None:
    done = ansible("ansible-inventory", "-i", "inventories/lab", "--host", "pod-a-r1-u01", GRIDMILL_STATE=str(tmp_path))
    host: dict[str, Any] = json.loads(done.stdout)
    arguments = host["ansible_ssh_common_args"]
    assert "-oStrictHostKeyChecking=yes" in arguments
    assert f"-oUserKnownHostsFile={tmp_path}/lab/lab/known_hosts " in arguments
    reached = ("ansible_host", "ansible_user", "ansible_ssh_private_key_file", "ansible_become", "base_fqdn")
    assert [host[name] for name in reached] == [
        "198.18.4.65", "gridmill", f"{tmp_path}/lab/lab/id_ed25519", True, "pod-a-r1-u01.lab.gridmill.test"
    ]  # fmt: skip
    assert not [name for name in host if "auth_keys" in name], "no secret unless it is asked for"


def test_ping_connects_as_the_stack_says(tmp_path: Path) -> None:
    """With a stand-in for ssh that notes what it was asked, and reaches nobody."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexit 255\n', encoding="utf-8")
    ssh.chmod(0o755)
    done = ansible("ansible", "-i", "inventories/lab", "gpu", "-m", "ping",
                   ANSIBLE_SSH_EXECUTABLE=str(ssh), GRIDMILL_STATE=str(tmp_path))  # fmt: skip
    assert "pod-a-r1-u09 | UNREACHABLE!" in done.stdout
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert all(f"-oUserKnownHostsFile={tmp_path}/lab/lab/known_hosts" in line for line in asked)
    assert all("-oStrictHostKeyChecking=yes" in line for line in asked)
    assert {address for line in asked for address in line.split() if address.startswith("198.18.")} == {
        "198.18.4.65", "198.18.4.73"
    }  # fmt: skip


def project(place: Path) -> Path:
    """A project of the lab's stack alone, whose inventory can be broken."""
    (place / "inventories").mkdir()
    for name in ("Pulumi.yaml", "Pulumi.lab.yaml"):
        (place / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (place / "gridmill").symlink_to(ROOT / "gridmill")
    lab = place / "inventories" / "lab"
    lab.mkdir()
    (lab / "skus").symlink_to(ROOT / "inventories" / "lab" / "skus")
    (lab / "gridmill.yml").write_text(
        (ROOT / "inventories/lab/gridmill.yml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    return place / "Pulumi.lab.yaml"


def test_all_problems_of_a_stack_are_told_and_nothing_runs(tmp_path: Path) -> None:
    stack = project(tmp_path)
    text = stack.read_text(encoding="utf-8")
    stack.write_text(text.replace("pue: 1.25", "pue: low").replace("budget: 24 kW", "budget: 24 km"), encoding="utf-8")
    done = ansible("ansible", "-i", "inventories/lab", "all", "-m", "ping", place=tmp_path)
    assert done.returncode != 0 and done.stdout == ""
    said = " ".join(done.stderr.split())
    assert "Pulumi.lab.yaml gives no inventory" in said
    assert "pods.pod-a.budget" in said and "grid.pue" in said, "every problem at once"
    assert "Completely failed to parse inventory source" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plugin: gridmill.site.gridmill\n", "Required config 'stack'"),
        ("plugin: gridmill.site.gridmill\nstack: ../../Pulumi.none.yaml\n", "Pulumi.none.yaml"),
        ("plugin: other\nstack: ../../Pulumi.lab.yaml\n", "plugin"),
    ],
)
def test_a_file_that_names_no_stack_is_an_error(text: str, said: str, tmp_path: Path) -> None:
    project(tmp_path)
    (tmp_path / "inventories" / "lab" / "gridmill.yml").write_text(text, encoding="utf-8")
    done = ansible("ansible-inventory", "-i", "inventories/lab", "--list", place=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr


def test_what_phases_say_differently_stands_beside_the_machine(lab_plan: SitePlan) -> None:
    phases = json.loads(json.dumps(documents(lab_plan)))
    phases["pod-a"]["groups"]["gpu"]["vars"]["nvidia_x"] = [1, 2]
    phases["pod-a"]["vars"]["base_x"] = "a"
    second = json.loads(json.dumps(phases["pod-a"]))
    second["hosts"] = {"pod-b-r1-u01": {"address": "198.18.8.65"}}
    second["groups"] = {"gpu": {"hosts": ["pod-b-r1-u01"], "vars": {"nvidia_x": [2, 3]}}}
    second["vars"]["base_x"] = "b"
    found = joined({**phases, "pod-b": second})
    assert found["groups"]["gpu"]["hosts"] == ["pod-a-r1-u01", "pod-a-r1-u09", "pod-b-r1-u01"]
    assert "nvidia_x" not in found["groups"]["gpu"]["vars"] and "base_x" not in found["vars"]
    given = {name: host.get("vars", {}) for name, host in found["hosts"].items()}
    assert (given["pod-a-r1-u01"]["nvidia_x"], given["pod-b-r1-u01"]["nvidia_x"]) == ([1, 2], [2, 3])
    assert (given["pod-a-r1-u38"]["base_x"], given["pod-b-r1-u01"]["base_x"]) == ("a", "b")
    assert found["hosts"]["pod-a-r1-u40"]["address6"], "a later phase that says less takes nothing away"


def test_lists_are_joined_and_other_values_are_the_later_ones() -> None:
    assert both([1, 2], [2, 3]) == [1, 2, 3]
    assert both("a", "b") == "b"
    assert both([1], "b") == "b"


def test_site_yml_runs_each_machines_roles_in_their_order(lab_plan: SitePlan) -> None:
    phases = documents(lab_plan)
    hosts = joined(phases)["hosts"]
    roles = {name: host["vars"]["gridmill_roles"] for name, host in hosts.items()}
    assert list(roles["pod-a-r1-u40"]) == ["control"], "a controller is only asked in the pods' phase"
    node = [one["role"] for one in roles["pod-a-r1-u01"]["pod"]]
    placed = [f"gridmill.site.{one['role']}" for one in phases["pod-a"]["roles"]]
    assert node == [name for name in placed if name in node] and node[-1] == "gridmill.site.verify"
    assert "gridmill.site.nvidia" in node and "gridmill.site.nvidia" not in str(roles["pod-a-r1-u38"])
    stages = [one["vars"] for one in roles["pod-a-r1-u01"]["pod"] if one["role"] == "gridmill.site.verify"]
    assert stages == [{"verify_stage": "hardware"}, {}]
    assert next(one["role"] for one in roles["pod-a-r1-u38"]["storage"]) == "gridmill.site.storage_moosefs"
    playbook = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    run = {play["vars"]["phase"] for play in playbook if "phase" in play.get("vars", {})}
    assert run == {phase for one in roles.values() for phase in one}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("all", ["a", "b", "c"]), ("gpu:!controllers", ["b"]), ("!controllers:gpu:login", ["b", "c"]), ("none", [])],
)
def test_patterns_of_placements(pattern: str, names: list[str]) -> None:
    groups = {"gpu": {"hosts": ["a", "b"]}, "login": {"hosts": ["c"]}}
    document = {"hosts": {name: {} for name in "abc"}, "groups": groups, "controllers": {"a": {}}}
    assert matching(pattern, document) == names


def test_the_playbooks_run_by_hand_reach_their_machines() -> None:
    done = ansible("ansible-playbook", "-i", "inventories/lab", "playbooks/site.yml", "--list-hosts")
    assert done.returncode == 0, done.stderr
    assert "pod-a-r1-u01" in done.stdout and "pod-a-r1-u40" in done.stdout
