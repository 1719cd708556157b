"""node_exporter: the machines' own metrics for Prometheus, on every machine, on its management addresses only."""

from __future__ import annotations

from gridmill.kernel.feature import Endpoint, Feature, Placement, Stage, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

PORT = 9100
"""TCP port that is registered for node_exporter (default port allocations of Prometheus)."""
ENDPOINT = Endpoint("prometheus-node-exporter", PORT, "/metrics", "node_uname_info")


def site_variables(_: SitePlan) -> Values:
    """The port, the same everywhere; each machine listens on its own addresses."""
    return {"node_exporter_port": PORT}


def checks(_: SitePlan, __: HostPlan) -> list[Values]:
    """The service runs, answers, and listens nowhere else."""
    return [{"check": "service", "name": ENDPOINT.name}, ENDPOINT.check()]


FEATURE = Feature(
    name="node_exporter",
    placements=(
        Placement(
            role="node_exporter",
            phases={"control": "all", "pod": "all"},
            stage=Stage.OPERATIONS,
            site_variables=site_variables,
            checks=checks,
        ),
    ),
    endpoints=lambda _, __: [ENDPOINT],
)
