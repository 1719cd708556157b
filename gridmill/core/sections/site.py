"""The site: the root of the stack definition."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import LineText, Part, PodKey, SiteName, text
from gridmill.core.sections.access import Access
from gridmill.core.sections.changes import Changes
from gridmill.core.sections.grid import Grid
from gridmill.core.sections.network import Network
from gridmill.core.sections.pods import Pod
from gridmill.core.sections.power import Power
from gridmill.features.backup.section import Backup
from gridmill.features.kernel.section import Kernel
from gridmill.features.ldap.section import Ldap
from gridmill.features.slurm.section import Scheduler
from gridmill.features.software.section import Software
from gridmill.features.storage.section import Storage


class Location(Part):
    """Where the site stands."""

    country: Annotated[str, text(r"^[A-Z]{2}$", "a country code of two capitals, such as NL")]
    """ISO 3166-1 alpha-2 code, such as NL."""
    municipality: LineText
    """Municipality or nearest town."""
    timezone: Annotated[str, text(r"^[A-Z][A-Za-z0-9_+/-]{1,40}$", "an IANA time zone, such as Europe/Amsterdam")] = (
        "Etc/UTC"
    )
    """IANA time zone of the machines' clocks."""


class Operator(Part):
    """Who runs the site."""

    name: LineText
    """Legal name."""
    register_: Annotated[LineText | None, Field(alias="register")] = None
    """Company register entry, such as `KvK 12345678`."""
    contact: Annotated[str, text(r"^[^@\s]+@[^@\s]+$", "an e-mail address, such as noc@ems1.example", 120)]
    """E-mail address that is read day and night."""


Consent = Literal["accounting", "moosefs", "slurm"]
"""`slurm`: replace configuration and key of a cluster that Gridmill did not set up. `accounting`: use a database
`slurm_acct_db` that was there, and take over its user. `moosefs`: replace settings of another MooseFS."""


class Site(Part):
    """One typed definition of a whole site, as it stands under `gridmill:site` in `Pulumi.<site>.yaml`."""

    schema_version: Literal[2]
    """Version of this schema."""
    name: SiteName
    """Name of the site, and of its Slurm cluster."""
    location: Location
    """Where it stands."""
    operator: Operator
    """Who runs it."""
    grid: Grid
    """Its connection to the grid."""
    power: Power | None = None
    """Feeds, margins and caps; without it only budgets and the connection are checked."""
    network: Network
    """Addresses and names."""
    access: Access
    """People and logins."""
    ldap: Ldap | None = None
    """An LDAP directory with more users; without it those of the stack are all."""
    backup: Backup | None = None
    """Backups of the controller. Without them, a controller that is lost takes accounting and queued jobs along."""
    software: Software
    """Versions and sources."""
    scheduler: Scheduler
    """Partitions and accounts."""
    kernel: Kernel = Kernel(sysctl={}, parameters=[])
    """Kernel settings and parameters."""
    adopt: Annotated[list[Consent], Field(default_factory=list)]
    """What may be taken over from machines that were in use before; without a word here, `up` stops at it."""
    changes: Annotated[Changes, Field(default_factory=lambda: Changes.model_validate({}))]
    """How changes are made: previews on machines, and consents."""
    storage: Storage | None = None
    """Shared file systems; without it storage nodes are brought up and nothing is mounted."""
    pods: Annotated[dict[PodKey, Pod], Field(min_length=1)]
    """Pods by key."""
