"""Who may use a site: its own people, and those that it takes from a directory."""

from __future__ import annotations

from gridmill.core.people import people
from gridmill.core.sections.site import Site
from gridmill.features.ldap.section import Ldap


def numbers(site: Site) -> dict[str, int]:
    """User IDs by login name of everybody who may use the site: its own people, and those that it takes from a
    directory."""
    ldap = site.get(Ldap)
    others = ldap.users if ldap else {}
    return {name: one.uid for name, one in others.items()} | {name: one.uid for name, one in people(site).items()}
