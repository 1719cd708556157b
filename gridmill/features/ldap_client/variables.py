"""Users from a directory: sssd on every machine, logins on login nodes."""

from __future__ import annotations

from gridmill.core.people import ACCEPTANCE_USER, TOOLKITS_USER
from gridmill.features.ldap_client.plan import LdapPlan
from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.features.people.plan import PeoplePlan
from gridmill.features.storage.plan import LOCAL_HOMES, StoragePlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def site_variables(plan: SitePlan) -> Values:
    """Which servers are asked, how, and which names are the site's own."""
    directory = plan.get(LdapPlan)
    if directory is None:
        return {}
    own = [person["name"] for person in (*plan.of(PeoplePlan).admins, *plan.of(PeoplePlan).users)]
    ours = [ACCEPTANCE_USER, *([TOOLKITS_USER] if plan.of(NvidiaPlan).shared else [])]
    return {
        "ldap_client_uris": list(directory.uris),
        "ldap_client_base": directory.base,
        "ldap_client_ca": directory.ca,
        "ldap_client_bind_dn": directory.bind_dn,
        "ldap_client_schema": directory.schema,
        "ldap_client_login_groups": list(directory.login_groups),
        "ldap_client_homes": directory.homes,
        "ldap_client_local_users": sorted({"root", plan.access.bootstrap_user, *ours, *own}),
        "ldap_client_local_groups": sorted(
            {
                "root",
                "sudo",
                "gridmill-admins",
                "gridmill-users",
                *own,
                *(one["name"] for one in plan.of(PeoplePlan).groups),
            }
        ),
    }


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Who has a home, where no volume has it; and whether members of the groups may log in."""
    directory = plan.get(LdapPlan)
    if directory is None:
        return {}
    local = directory.homes == LOCAL_HOMES and not any(
        volume.name in plan.of(StoragePlan).mounted_by(host) and volume.mount == LOCAL_HOMES
        for volume in plan.of(StoragePlan).volumes
    )
    return {
        **({"ldap_client_logins": True} if "login" in host.services else {}),
        **({"ldap_client_people": list(directory.users)} if local and directory.users else {}),
    }


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """sssd runs and knows who the stack says it does."""
    del host
    ldap = plan.get(LdapPlan)
    if ldap is None:
        return []
    users = {one["name"]: one["uid"] for one in ldap.users}
    own = {person["name"]: person["uid"] for person in (*plan.of(PeoplePlan).admins, *plan.of(PeoplePlan).users)}
    return [
        {"check": "service", "name": "sssd"},
        {"check": "directory", "users": users, "groups": list(ldap.login_groups), "own": own},
    ]
