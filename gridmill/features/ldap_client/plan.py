"""The directory as data: who asks whom, whose certificates count, and who of it uses the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridmill.features.ldap.problems import certificates
from gridmill.features.ldap.section import Ldap
from gridmill.features.storage.plan import LOCAL_HOMES, homes_of
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class LdapPlan:
    """Users from an LDAP directory."""

    uris: tuple[str, ...]
    base: str
    ca: str
    """Certificates in PEM; empty for those that the machines' distribution trusts."""
    bind_dn: str
    """Who asks; empty for nobody in particular."""
    schema: str
    login_groups: tuple[str, ...]
    homes: str
    """Directory in which their homes lie."""
    users: tuple[dict[str, Any], ...]
    """Those who use the site: name and uid."""


def plan_ldap(planning: Planning) -> LdapPlan | None:
    """The plan of a checked definition; None without a directory."""
    site = planning.site
    directory = site.get(Ldap)
    if directory is None:
        return None
    return LdapPlan(
        uris=tuple(directory.uris),
        base=directory.base,
        ca=certificates(planning.definition.keys.get(directory.ca_file or "", "")),
        bind_dn=directory.bind_dn or "",
        schema=directory.schema_,
        login_groups=tuple(directory.login_groups),
        homes=homes_of(site) or LOCAL_HOMES,
        users=tuple({"name": name, "uid": user.uid} for name, user in sorted(directory.users.items())),
    )
