"""Users from an LDAP directory: sssd on every machine, logins on login nodes."""

from __future__ import annotations

from gridmill.features.ldap.plan import plan_ldap
from gridmill.features.ldap.problems import directory_problems
from gridmill.features.ldap.variables import checks, class_variables, site_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="ldap",
    needs=("nvidia", "people", "storage"),
    problems=(lambda context: directory_problems(context.site, context.keys),),
    plan=plan_ldap,
    placements=(
        Placement(
            role="ldap_client",
            phases={"control": "all", "pod": "all"},
            stage=Stage.ACCOUNTS,
            site_variables=site_variables,
            class_variables=class_variables,
            checks=checks,
        ),
    ),
    secrets={"directoryBindSecret": "ldap_client_bind_secret"},
    required_secrets=lambda site: (
        ["directoryBindSecret"] if site.access.directory and site.access.directory.bind_dn else []
    ),
)
