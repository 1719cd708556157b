"""Users from an LDAP directory on machines: sssd on every machine, logins on login nodes."""

from __future__ import annotations

from gridmill.features.ldap.section import Ldap
from gridmill.features.ldap_client.plan import plan_ldap
from gridmill.features.ldap_client.variables import checks, class_variables, site_variables
from gridmill.kernel.feature import Feature, Placement, Stage

FEATURE = Feature(
    name="ldap_client",
    needs=("ldap", "nvidia", "people", "storage"),
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
    secrets={"ldapBindSecret": "ldap_client_bind_secret"},
    required_secrets=lambda site: ["ldapBindSecret"] if (ldap := site.get(Ldap)) and ldap.bind_dn else [],
)
