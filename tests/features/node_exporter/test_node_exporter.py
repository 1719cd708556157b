"""node_exporter: on every machine, on its own addresses, verified, and asked by `gridmill status`."""

from __future__ import annotations

from typing import Any

import pytest

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.inspect.endpoints import endpoints_of
from gridmill.operations.playbooks import ROLES
from tests.playbooks.test_templates import render

TEMPLATE = "node_exporter/templates/defaults.j2"


@pytest.mark.parametrize("scope", ["control", "pod-a"])
def test_every_machine_runs_and_verifies_it(lab_plan: SitePlan, scope: str) -> None:
    document = documents(lab_plan)[scope]
    roles = [one["role"] for one in document["roles"]]
    assert roles.index("node_exporter") > roles.index("base") and roles[-1] == "verify"
    classes = [group for name, group in document["groups"].items() if name.startswith("class_")]
    assert {host for group in classes for host in group["hosts"]} == set(document["hosts"])
    for group in classes:
        checks: list[dict[str, Any]] = group["vars"]["verify_checks"]
        assert {"check": "service", "name": "prometheus-node-exporter"} in checks
        assert [one["port"] for one in checks if one["check"] == "endpoint"] == [9100]


def test_status_asks_every_machine_in_service(lab_plan: SitePlan) -> None:
    assert set(endpoints_of(lab_plan)) == {host.name for host in lab_plan.hosts}


@pytest.mark.parametrize(
    ("addresses", "arguments"),
    [
        (["198.18.4.65"], "--web.listen-address=198.18.4.65:9100"),
        (
            ["198.18.4.65", "2001:2::1"],
            "--web.listen-address=198.18.4.65:9100 --web.listen-address=[2001:2::1]:9100",
        ),
    ],
)
def test_it_listens_on_the_machines_addresses_only(addresses: list[str], arguments: str) -> None:
    text = render(ROLES / TEMPLATE, {"node_exporter_addresses": addresses, "node_exporter_port": 9100})
    assert f'ARGS="{arguments}"' in text.splitlines()
