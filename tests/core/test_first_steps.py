"""What somebody meets who writes a first stack definition: words instead of patterns, and one problem per mistake."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from gridmill.core.base import IN_WORDS, text
from gridmill.core.errors import Problem, ProblemsError, path_text
from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.load import load_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT
from tests.core.test_problems import LAB, changed, problems_of

POWER = """    power:
      plan: n
      feeds: {A: {breaker: 3x250A}}
    pods:
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("maxTime: '2-00:00:00'", "maxTime: 4h", "such as '4:00:00' for 4 hours"),
        ("    pods:\n", "    backup: {recipients: [age1x], at: 2am}\n    pods:\n", 'a time of day in quotes, such as "02:30"'),
        ("os: debian-13", "os: debian-13\n      sources: {mirror: {url: packages.ems1.example, fingerprint: '0'}}",
         "such as https://packages.ems1.example/nvidia"),
        ("country: NL", "country: Netherlands", "two capitals, such as NL"),
    ],
)  # fmt: skip
def test_words_and_an_example_instead_of_a_pattern(old: str, new: str, words: str, tmp_path: Path) -> None:
    problems = problems_of(changed(old, new), tmp_path)
    assert any(words in problem.expected for problem in problems), problems
    assert not any("^" in problem.expected for problem in problems)


def test_every_pattern_of_the_model_is_told_in_words() -> None:
    for path in sorted((ROOT / "gridmill" / "model").glob("*.py")):
        if path.name != "base.py":
            assert "StringConstraints(" not in path.read_text(encoding="utf-8"), f"{path.name}: use text()"
    assert len(IN_WORDS) > 20
    assert not [words for words in IN_WORDS.values() if re.search(r"\[[a-z]-z", words)]


def test_a_pattern_has_one_text() -> None:
    with pytest.raises(ValueError, match="two texts"):
        text(next(iter(IN_WORDS)), "something else")


@pytest.mark.parametrize("sku", ["sim-mgmt", "sim-store", "sim-dgx-h100"])
def test_an_unknown_sku_is_one_problem(sku: str, tmp_path: Path) -> None:
    (problem,) = problems_of(changed(f"sku: {sku}", f"sku: {sku}x"), tmp_path)
    assert problem.message == f"unknown SKU {sku}x"


def test_what_a_group_of_a_known_sku_lacks_is_still_told(tmp_path: Path) -> None:
    problems = problems_of(
        changed("nodeGroups: [gpu]", "nodeGroups: [store]").replace("sku: sim-mgmt", "sku: sim-mgmtx"), tmp_path
    )
    assert {path_text(problem.path) for problem in problems} == {
        "pods.pod-a.nodes.control.sku",
        "scheduler.partitions.gpu.nodeGroups[0]",
    }


def test_a_pod_of_the_future_alone_is_one_problem(tmp_path: Path) -> None:
    problems = problems_of(changed("budget: 24 kW", "budget: 24 kW\n        from: 2027-04-01"), tmp_path)
    assert [path_text(problem.path) for problem in problems] == ["pods.pod-a.from"]


def test_a_pdu_that_is_too_small_is_one_problem_with_its_worst_phase(tmp_path: Path) -> None:
    text = changed("    pods:\n", POWER).replace("          r1: {}\n", "          r1: {pdus: {A: pdu-3x16a}}\n")
    problems = problems_of(text, tmp_path)
    assert [path_text(problem.path) for problem in problems] == ["pods.pod-a.racks.r1.pdus.A"]
    others = [float(amount) for amount in re.findall(r"limit: ([0-9.]+) kW, phase", problems[0].message)]
    assert len(others) == 1 and "phase L" in problems[0].message


def test_a_key_file_that_is_missing_stops_what_brings_up_machines_and_no_look_at_the_plan(tmp_path: Path) -> None:
    stack = tmp_path / "Pulumi.ems1.yaml"
    shutil.copy(ROOT / "Pulumi.del1.yaml", stack)
    stack.write_text(stack.read_text(encoding="utf-8").replace("name: del1", "name: ems1"), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        load_definition(stack)
    (problem,) = caught.value.problems
    assert problem.message == "inventories/ems1/keys/mirror.asc does not exist"
    definition = load_definition(stack, to_look=True)
    assert definition.later == (problem,)
    assert plan_site(definition).of(NvidiaPlan).sources["mirror"].key == ""


def test_other_problems_stop_a_look_too(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.bad.yaml"
    path.write_text(LAB.replace("24 kW", "1 kW"), encoding="utf-8")
    with pytest.raises(ProblemsError):
        load_definition(path, to_look=True)
    assert Problem((), "x").later is False
