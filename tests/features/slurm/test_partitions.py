"""Partitions over several groups of nodes: what Slurm is told, what is refused, and one acceptance job per GPU type."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from gridmill.core.errors import ProblemsError, path_text
from gridmill.documents import documents
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT


def planned(*groups: str) -> SitePlan:
    """The lab's site with a group of CPU nodes and a second one of GPU nodes; its partition over these groups."""
    data: dict[str, Any] = copy.deepcopy(yaml.safe_load(PLAIN_LAB)["config"]["gridmill:site"])
    data["grid"]["connection"] = "3x125A"
    pod = data["pods"]["pod-a"]
    pod["budget"] = "48 kW"
    pod["nodes"]["cpu"] = {"sku": "sim-mgmt", "services": ["compute"], "at": ["r1/u30"]}
    pod["nodes"]["more"] = {"sku": "sim-dgx-h100", "at": ["r1/u17"]}
    data["scheduler"]["partitions"]["gpu"]["nodeGroups"] = list(groups)
    return plan_site(build_definition(data, ROOT))


@pytest.mark.parametrize(
    ("groups", "nodes"),
    [
        (["gpu"], "pod-a-r1-u[01,09]"),
        (["more", "cpu"], "pod-a-r1-u[17,30]"),
        (["gpu", "cpu", "more"], "pod-a-r1-u[01,09,17,30]"),
    ],
)
def test_a_partition_has_the_nodes_of_all_its_groups(groups: list[str], nodes: str) -> None:
    (line,) = planned(*groups).of(SlurmPlan).partitions
    assert line["Nodes"] == nodes


@pytest.mark.parametrize(
    ("groups", "names"),
    [(["gpu", "more"], ["gridmill-accept-gpu-h100"]), (["cpu"], [])],
)
def test_one_acceptance_job_per_type_of_gpu(groups: list[str], names: list[str]) -> None:
    jobs = documents(planned(*groups))["acceptance"]["groups"]["controllers"]["vars"]["acceptance_jobs"]
    assert [job["name"] for job in jobs] == names


def test_each_bad_group_is_named_with_its_place() -> None:
    with pytest.raises(ProblemsError) as caught:
        planned("gpu", "gpu", "store", "nothing")
    assert sorted((path_text(one.path), one.message) for one in caught.value.problems) == [
        ("scheduler.partitions.gpu.nodeGroups[1]", "gpu stands twice"),
        ("scheduler.partitions.gpu.nodeGroups[2]", "store has no compute nodes"),
        ("scheduler.partitions.gpu.nodeGroups[3]", "nothing is not a group of any pod"),
    ]


def test_one_group_is_written_as_a_list_too() -> None:
    data: dict[str, Any] = copy.deepcopy(yaml.safe_load(PLAIN_LAB)["config"]["gridmill:site"])
    data["scheduler"]["partitions"]["gpu"]["nodeGroups"] = "gpu"
    with pytest.raises(ProblemsError) as caught:
        build_definition(data, ROOT)
    (problem,) = caught.value.problems
    assert problem.hint == "write it as a list: [gpu]"
