"""Names: the site's own DNS on the controllers, and everyone who asks it."""

from __future__ import annotations

from gridmill.features.dns.plan import plan_dns
from gridmill.features.dns.variables import client_checks, client_variables, server_checks, server_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="dns",
    plan=plan_dns,
    placements=(
        Placement(
            role="dns_server",
            phases={"control": "all"},
            stage=Stage.NAMES,
            group_variables={"controllers": server_variables},
            checks=server_checks,
        ),
        Placement(
            role="dns_client",
            phases={"control": "all", "pod": "all"},
            stage=Stage.NAMES,
            site_variables=client_variables,
            checks=client_checks,
        ),
    ),
)
