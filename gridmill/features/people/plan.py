"""People of a site as machines get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gridmill.core.people import people
from gridmill.core.sections.access import Person
from gridmill.features.storage.plan import home_of
from gridmill.kernel.context import Planning


@dataclass(frozen=True)
class PeoplePlan:
    """Accounts: name, uid and public keys of each person."""

    admins: tuple[dict[str, Any], ...]
    users: tuple[dict[str, Any], ...]
    """With their home, where a volume holds it."""
    groups: tuple[dict[str, Any], ...]
    """With their number and members."""


def plan_people(planning: Planning) -> PeoplePlan:
    """The plan of a checked site."""
    site = planning.site
    return PeoplePlan(
        admins=_people(site.access.admins),
        users=tuple(
            {**one, **({"home": home} if (home := home_of(site, one["name"])) else {})}
            for one in _people(site.access.users)
        ),
        groups=tuple(
            {
                "name": name,
                "gid": group.gid,
                "members": sorted(login for login, person in people(site).items() if name in person.groups),
            }
            for name, group in sorted(site.access.groups.items())
        ),
    )


def _people(persons: Mapping[str, Person]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"name": name, "uid": person.uid, "keys": list(person.keys)} for name, person in sorted(persons.items())
    )
