"""What looks like an attack, or like a slip of YAML: each with its exact problem."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.core.errors import ProblemsError, path_text
from gridmill.load import build_definition
from tests.conftest import ROOT
from tests.core.test_problems import LAB, Case, changed, check_case, problems_of

BESIDE = "remove it; `pulumi config set --secret NAME`, which puts it beside the site object"
CASES = [
    Case("host name as 64 characters", "r1: {}", f"r1: {{}}\n          {'r' * 63}1: {{}}", f"pods.pod-a.racks.{'r' * 60}…",
         f"as a key, `{'r' * 60}…` is not valid", "", "r" * 63),
    Case("host name with a template", "r1: {}", "r1: {}\n          '{{ x }}1': {}", "pods.pod-a.racks.{{ x }}1",
         "as a key, `{{ x }}1` is not valid", "", "{{ x }}"),
    Case("host name with a full-width letter", "r1: {}", "r1: {}\n          ｒ2: {}", "pods.pod-a.racks.ｒ2",
         "as a key, `ｒ2` is not valid", "", "ｒ2"),
    Case("host name with a zero-width space", "r1: {}", 'r1: {}\n          "r\\u200b2": {}', "pods.pod-a.racks.r\\u200b2",
         "as a key, `r\\u200b2` is not valid", "", "u200b"),
    Case("name that ends with a newline", "    name: lab\n", '    name: "lab\\n"\n', "name", "`lab\\n` is not valid"),
    Case("domain with a label of 64", "domain: lab.gridmill.test", f"domain: {'d' * 64}.test", "network.domain",
         f"`{'d' * 60}…` is not valid"),
    Case("text that runs backwards", "municipality: Emmen", 'municipality: "Em\\u202emen"', "location.municipality",
         "`Em\\u202emen` is not valid"),
    Case("group as Ansible's variable", "store: {sku", "ansible_user: {sku", "pods.pod-a.nodes.ansible_user",
         "as a key, `ansible_user` is not valid"),
    Case("path out of the home", "identityFile: \"{state}/lab/lab/id_ed25519\"", "identityFile: id_ed25519",
         "access.bootstrap.identityFile", "`id_ed25519` is not valid"),
    Case("path of another user", "identityFile: \"{state}/lab/lab/id_ed25519\"", "identityFile: ~root/.ssh/id",
         "access.bootstrap.identityFile", "`~root/.ssh/id` is not valid"),
    Case("contact as an option", "contact: noc@lab.gridmill.test", 'contact: "-oProxyCommand=touch x"', "operator.contact",
         "`-oProxyCommand=touch x` is not valid"),
    Case("password among the people", "          uid: 2001", "          uid: 2001\n          password: hunter2",
         "access.admins.anna.password", "unknown key", BESIDE, "password: hunter2"),
    Case("secret of Pulumi's", "          uid: 2001", "          uid: {secure: v1:abc}", "access.admins.anna.uid",
         "a secret inside the site object", BESIDE),
    Case("no key of an admin", 'keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGd41lXzdougWj52V4d4JqdrNABLVdjYs52g2k6oLJ+ anna"]',
         "keys: []", "access.admins.anna.keys", "`a list` is not valid"),
    Case("YAML 1.1's yes", "default: true", "default: yes", "scheduler.partitions.gpu.default", "`yes` is not valid"),
    Case("octal", "uid: 2001", "uid: 0o3721", "access.admins.anna.uid", "`0o3721` is not valid"),
    Case("a number of 5,000 digits", "uid: 2001", f"uid: {'9' * 5000}", "access.admins.anna.uid", "`inf` is not valid"),
    Case("budget in exponents", "budget: 24 kW", "budget: 24e3 W", "pods.pod-a.budget", "24e3 W is not a quantity"),
    Case("budget of half a watt", "budget: 24 kW", "budget: 24000.5 W", "pods.pod-a.budget",
         "24000.5 W is not a quantity", "a positive amount, whole in its base unit"),
    Case("budget in another digit", "budget: 24 kW", "budget: ٢٤ kW", "pods.pod-a.budget", "٢٤ kW is not a quantity"),
    Case("contract of zero", "connection: 3x63A", "connection: 3x63A, contract: {firm: 0 kW}", "grid.contract.firm",
         "0 kW is not a quantity", "a positive amount, whole in its base unit"),
    Case("power factor that is not a number", "pue: 1.25", "pue: 1.25, powerFactor: .nan", "grid.powerFactor",
         "`nan` is not valid"),
    Case("PUE below one", "pue: 1.25", "pue: 0.9", "grid.pue", "`0.9` is not valid"),
    Case("pod number zero", "        budget: 24 kW", "        index: 0\n        budget: 24 kW", "pods.pod-a.index",
         "`0` is not valid"),
    Case("negative rack number", "r1: {}", "r1: {index: -1}", "pods.pod-a.racks.r1.index", "`-1` is not valid"),
    Case("NCCL not offered", "nccl: 2.22.3", "nccl: 2.99.1", "software.nvidia.nccl",
         "distro of debian-13 does not offer 2.99.1", 'write "2.22.3"'),
    Case("version with a command", "driver: 550.163.01", 'driver: "550.163.01; touch x"', "software.nvidia.driver",
         "`550.163.01; touch x` is not valid"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_definition_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)


def test_two_pods_with_one_number_overlap(tmp_path: Path) -> None:
    pod = LAB[LAB.index("      pod-a:\n") : LAB.index("encryptionsalt")]
    text = LAB.replace(
        pod, pod + pod.replace("pod-a:", "hall:\n        index: 1").replace("control: {sku", "more: {sku")
    )
    found = {(path_text(p.path), p.message, p.hint) for p in problems_of(text, tmp_path)}
    assert ("pods.hall", "pod number 1 is also that of pod-a", "set another `index`") in found


def test_two_machines_never_have_one_name() -> None:
    """`pod-a` with rack `b-r1` and `pod-a-b` with rack `r1` would call theirs alike."""
    data: Any = copy.deepcopy(yaml.safe_load(LAB)["config"]["gridmill:site"])
    pod = copy.deepcopy(data["pods"]["pod-a"])
    data["pods"]["pod-a"]["racks"]["b-r1"] = {"index": 2}
    data["pods"]["pod-a"]["nodes"]["store"]["at"] = ["b-r1/u38"]
    data["pods"]["pod-a-b"] = {**pod, "nodes": {"store": pod["nodes"]["store"]}}
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    assert "pod-a-b-r1-u38 is also the name of a node of pod-a" in {p.message for p in caught.value.problems}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    network:\n", "    network:\n      <<: {domain: x.test}\n"),
        ("    name: lab\n", "    name: lab\n    ? [a, b]\n    : c\n"),
    ],
)
def test_merge_keys_and_keys_that_are_no_text_are_unknown(old: str, new: str, tmp_path: Path) -> None:
    assert {problem.message for problem in problems_of(changed(old, new), tmp_path)} == {"unknown key"}


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "\ufeffa: [", "a: \x00", "a: 'open", "%YAML 9.9\n---\na: 1"])
def test_text_that_no_parser_should_guess_at(text: str, tmp_path: Path) -> None:
    (problem,) = problems_of(text, tmp_path)
    assert problem.message.startswith("not YAML: ")


def test_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    (problem,) = problems_of(changed("24 kW", "24").replace("\n", "\r\n"), tmp_path)
    assert problem.line == next(number for number, line in enumerate(LAB.splitlines(), 1) if "budget" in line)
