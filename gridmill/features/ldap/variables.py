"""Users from a directory: sssd on every machine, logins on login nodes."""

from __future__ import annotations

from typing import Any

from gridmill.core.people import ACCEPTANCE_USER, TOOLKITS_USER
from gridmill.features.storage.plan import LOCAL_HOMES
from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _everyone(plan: SitePlan) -> Values:
    directory = plan.directory
    if directory is None:
        return {}
    own = [person["name"] for person in (*plan.admins, *plan.users)]
    ours = [ACCEPTANCE_USER, *([TOOLKITS_USER] if plan.nvidia.shared else [])]
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
            {"root", "sudo", "gridmill-admins", "gridmill-users", *own, *(one["name"] for one in plan.groups)}
        ),
    }


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    """Who has a home, where no volume has it; and whether members of the groups may log in."""
    directory = plan.directory
    if directory is None:
        return {}
    local = directory.homes == LOCAL_HOMES and not any(
        volume.name in host.mounts and volume.mount == LOCAL_HOMES for volume in plan.storage.volumes
    )
    return {
        **({"ldap_client_logins": True} if "login" in host.services else {}),
        **({"ldap_client_people": list(directory.users)} if local and directory.users else {}),
    }


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del host
    if plan.directory is None:
        return []
    users = {one["name"]: one["uid"] for one in plan.directory.users}
    own = {person["name"]: person["uid"] for person in (*plan.admins, *plan.users)}
    return [
        {"check": "service", "name": "sssd"},
        {"check": "directory", "users": users, "groups": list(plan.directory.login_groups), "own": own},
    ]


DIRECTORY = Concern(everyone=_everyone, alike=_alike, checks=_checks)
