"""The directory as data: who asks whom, whose certificates count, and who of it uses the site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridmill.features.ldap.problems import certificates
from gridmill.features.storage.plan import LOCAL_HOMES, homes_of
from gridmill.kernel.definition import Definition


@dataclass(frozen=True)
class DirectoryPlan:
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


def plan_directory(definition: Definition) -> DirectoryPlan | None:
    """The plan of a checked definition; None without a directory."""
    site = definition.site
    directory = site.ldap
    if directory is None:
        return None
    return DirectoryPlan(
        uris=tuple(directory.uris),
        base=directory.base,
        ca=certificates(definition.keys.get(directory.ca_file or "", "")),
        bind_dn=directory.bind_dn or "",
        schema=directory.schema_,
        login_groups=tuple(directory.login_groups),
        homes=homes_of(site) or LOCAL_HOMES,
        users=tuple({"name": name, "uid": user.uid} for name, user in sorted(directory.users.items())),
    )
