"""Measured power beside the plan: what is a problem, what is a note, and sums that never claim more than was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridmill.compare.measured import Findings, GpuReading, MeasuredSum, NodeReading, findings, measured_sum
from gridmill.kernel.site_plan import HostPlan, SitePlan

GPU = GpuReading(0, draw_w=80.0, limit_w=650.0, min_w=200.0, max_w=700.0, default_w=700.0)
GOOD = NodeReading(tuple(replace(GPU, index=index) for index in range(8)))


@pytest.fixture
def host(lab_plan: SitePlan) -> HostPlan:
    return lab_plan.hosts[0]


def changed(**values: Any) -> NodeReading:
    """GPU 3 and 5 read otherwise."""
    return replace(GOOD, gpus=tuple(replace(gpu, **values) if gpu.index in {3, 5} else gpu for gpu in GOOD.gpus))


def test_as_planned(host: HostPlan) -> None:
    assert findings(host, GOOD) == Findings()
    assert findings(host, NodeReading(complaint="no route")) == Findings(), "nothing is known of it"


def test_a_limit_that_drifted_is_a_problem_with_both_values(host: HostPlan) -> None:
    assert findings(host, changed(limit_w=450.0)).problems == ("GPU 3, 5: power limit 450 W, planned 650 W",)
    assert findings(host, changed(limit_w=None)).problems == ("GPU 3, 5: power limit unknown, planned 650 W",)


def test_without_a_cap_the_gpus_own_default_is_planned(host: HostPlan) -> None:
    assert host.gpu
    free = replace(host, gpu=replace(host.gpu, cap_w=None))
    assert findings(free, GOOD).problems == ("all GPUs: power limit 650 W, planned 700 W",)
    own = replace(GOOD, gpus=tuple(replace(gpu, limit_w=680.0, default_w=680.0) for gpu in GOOD.gpus))
    assert findings(free, own).problems == ()


@pytest.mark.parametrize("name", ["min_w", "max_w", "default_w"])
def test_a_range_that_the_catalogue_has_otherwise_is_a_note_with_both(host: HostPlan, name: str) -> None:
    found = findings(host, changed(**{name: 690.0}))
    assert found.problems == ()
    (note,) = found.notes
    assert note.startswith("GPU 3, 5: power limits ") and "690 W" in note
    assert "the catalogue says 200 W to 700 W, 700 W by default (gridmill/catalog/gpus/h100-sxm.yaml)" in note


def test_gpus_that_are_missing(host: HostPlan) -> None:
    assert findings(host, NodeReading(GOOD.gpus[:7])).problems == ("7 GPUs tell their power, planned 8",)


def test_a_machine_that_draws_more_than_is_allocated(host: HostPlan) -> None:
    assert findings(host, replace(GOOD, node_w=9_800.0)).problems == ()
    assert findings(host, replace(GOOD, node_w=9_900.4)).problems == ("draws 9.9 kW, planned at most 9.8 kW",)


def test_sums_never_claim_more_than_was_told(lab_plan: SitePlan) -> None:
    names = [host.name for host in lab_plan.hosts]
    silent = NodeReading(complaint="no route")
    readings = {names[0]: GOOD, names[1]: silent, names[2]: NodeReading(), names[3]: NodeReading(node_w=300.0)}
    assert measured_sum(lab_plan, readings, lambda _: True) == MeasuredSum(4, 1, 640.0, None)
    everyone = {name: NodeReading(node_w=300.0) for name in names}
    assert measured_sum(lab_plan, everyone, lambda _: True) == MeasuredSum(4, 0, None, 1200.0)
    assert measured_sum(lab_plan, {}, lambda host: host.name == names[0]) == MeasuredSum(1, 1, None, None)
    assert NodeReading((GPU, replace(GPU, draw_w=None))).gpus_w is None
