"""The sample site that grows: every phase of it is a valid site, and adds its own pod and nothing else."""

from __future__ import annotations

import pytest

from gridmill.core.errors import ProblemsError
from gridmill.core.yaml_lines import parse
from gridmill.documents import documents
from gridmill.features.slurm.plan import SlurmPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from gridmill.power.growth import growth_report
from gridmill.report.growth_tables import growth_table
from tests.conftest import ROOT

GROWN = {"pod-a": 116_640, "pod-b": 220_320, "pod-c": 360_480}
"""W at the meter once a pod stands."""


LIMITS = {"pod-b": 300_000, "pod-c": 500_000}
"""W that are contracted when a pod comes."""


def standing(pods: int) -> SitePlan:
    """The plan once so many pods stand, and what is contracted by then applies."""
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
    names = [[line["PartitionName"] for line in standing(pods).of(SlurmPlan).partitions] for pods in (2, 3)]
    assert names == [["small", "train"], ["blackwell", "small", "train"]]


def test_where_slurm_holds_the_site_growth_never_passes_the_contract() -> None:
    text = (ROOT / "Pulumi.del1.yaml").read_text(encoding="utf-8")
    data = parse(text, "Pulumi.del1.yaml").data["config"]["gridmill:site"]
    data["grid"]["contract"]["firm"] = "100 kW"
    data["power"]["scheduled"] = True
    definition = build_definition(data, ROOT)
    report = growth_report(definition.site, definition.catalog, 2026)
    first = report.stages[0]
    assert (first.meter_at_work_w, first.meter_allocated_w, first.limit_w) == (GROWN["pod-a"], 100_000, 100_000)
    assert [stage.meter_allocated_w for stage in report.stages[1:]] == [GROWN["pod-b"], GROWN["pod-c"]], "it is enough"
    assert report.years[0].allocated_w == 100_000
    assert "all nodes at work would draw 116.64 kW (stands), so jobs wait" in growth_table("del1", report)
    data["grid"]["contract"]["later"] = {"2027-04-01": "150 kW"}
    growth = plan_site(build_definition(data, ROOT)).growth
    assert [(step.meter_w, step.limit_w) for step in growth] == [(150_000, 150_000)] * 2
    data["power"]["scheduled"] = False
    with pytest.raises(ProblemsError, match="limit: 100 kW, the contracted power"):
        build_definition(data, ROOT)
