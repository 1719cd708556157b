"""The sample site that grows: every phase of it is a valid site, and adds its own pod and nothing else."""

from __future__ import annotations

import pytest

from gridmill.load import build_definition
from gridmill.plan import SitePlan, plan_site
from gridmill.render.documents import documents
from gridmill.yaml_lines import parse
from tests.conftest import ROOT

GROWN = {"pod-a": 116_640, "pod-b": 220_320, "pod-c": 360_480}
"""W at the meter once a pod stands."""


LIMITS = {"pod-b": 300_000, "pod-c": 500_000}
"""W that are contracted when a pod comes."""


def standing(pods: int) -> SitePlan:
    """The plan once so many pods stand, and what is contracted by then is in force."""
    text = (ROOT / "Pulumi.del1.yaml").read_text(encoding="utf-8")
    data = parse(text, "Pulumi.del1.yaml").data["config"]["gridmill:site"]
    for key in list(data["pods"])[1:pods]:
        date = data["pods"][key].pop("from")
        data["grid"]["contract"]["firm"] = data["grid"]["contract"]["later"].pop(date)
    return plan_site(build_definition(data, ROOT))


@pytest.mark.parametrize("pods", [1, 2, 3])
def test_each_phase_is_a_site_of_its_own(pods: int) -> None:
    plan = standing(pods)
    keys = list(GROWN)
    assert [pod.key for pod in plan.pods] == keys[:pods]
    assert plan.meter_w == GROWN[keys[pods - 1]]
    assert {step.pod: step.meter_w for step in plan.growth} == {key: GROWN[key] for key in keys[pods:]}
    assert {step.pod: step.limit_w for step in plan.growth} == {key: LIMITS[key] for key in keys[pods:]}
    assert [scope for scope in documents(plan) if scope.startswith("pod-")] == keys[:pods]


def test_a_pod_that_comes_changes_no_other_pods_machines() -> None:
    phases = [documents(standing(pods)) for pods in (1, 2, 3)]
    assert phases[0]["pod-a"]["hosts"] == phases[1]["pod-a"]["hosts"] == phases[2]["pod-a"]["hosts"]
    assert phases[1]["pod-b"] == phases[2]["pod-b"]


def test_a_partition_comes_with_its_pod() -> None:
    names = [[line["PartitionName"] for line in standing(pods).slurm.partitions] for pods in (2, 3)]
    assert names == [["small", "train"], ["blackwell", "small", "train"]]
