"""People of a site: its own, those of its directory, and the system users that Gridmill makes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from gridmill.core.sections.access import Person
from gridmill.core.sections.site import Site

ACCEPTANCE_ACCOUNT = "gridmill"
"""Slurm account that pays for acceptance jobs."""


ACCEPTANCE_USER = "gridmill-accept"
"""System user, the same everywhere, that acceptance jobs run as."""


TOOLKITS_USER = "gridmill-toolkits"
"""System user who owns the toolkits on a volume; nobody runs anything as it but the putting there."""


def people(site: Site) -> dict[str, Person]:
    """Administrators and users by login name."""
    return {**site.access.users, **site.access.admins}


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint with the known name that is most like `name`."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else otherwise
