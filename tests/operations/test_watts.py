"""What jobs have reserved, in numbers and words."""

from __future__ import annotations

import pytest
import yaml

from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.operations.inspect.watts import WattsStatus, watts_line, watts_status
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT


@pytest.fixture(scope="module")
def plan() -> SitePlan:
    data = yaml.safe_load(PLAIN_LAB)["config"]["gridmill:site"]
    data["grid"]["contract"] = {"firm": "19 kW"}
    data["power"] = {"feeds": {"A": {}}, "scheduled": True}
    return plan_site(build_definition(data, ROOT))


def test_reserved_and_free(plan: SitePlan) -> None:
    found = watts_status(plan, lambda: "LicenseName=watts Total=9200 Used=4100 Free=5100 Reserved=0 Remote=no\n")
    assert found == WattsStatus(total_w=9200, slurm_total_w=9200, reserved_w=4100, free_w=5100)
    assert watts_line(found) == "Jobs: 4.1 kW above idle reserved of 9.2 kW, 5.1 kW free"


def test_before_the_controller_knows_it(plan: SitePlan) -> None:
    found = watts_status(plan, lambda: "No licenses configured in Slurm.\n")
    assert found
    assert watts_line(found).endswith("0 kW free; Slurm still goes by 0 kW")


def test_a_site_without_it_asks_nobody(lab_plan: SitePlan) -> None:
    def ask() -> str:
        raise AssertionError

    assert watts_status(lab_plan, ask) is None
