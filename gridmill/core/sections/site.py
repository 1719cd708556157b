"""The site: the root of the stack definition."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field

from gridmill.core.base import LineText, Part, PodKey, SiteName, text
from gridmill.core.sections.access import Access
from gridmill.core.sections.changes import Changes
from gridmill.core.sections.grid import Grid
from gridmill.core.sections.include import IncludePath
from gridmill.core.sections.network import Network
from gridmill.core.sections.pods import Pod
from gridmill.core.sections.power import Power


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


P = TypeVar("P", bound=Part)


class Site(Part):
    """One typed definition of a whole site, as it stands under `gridmill:site` in `Pulumi.<site>.yaml`.

    These are the parts that everything stands on. Features add sections of their own, which are read by their type.
    """

    sections: ClassVar[Mapping[type[Part], str]] = MappingProxyType({})
    """Names of the sections that features added, by type."""

    schema_version: Literal[2]
    """Version of this schema."""
    name: SiteName
    """Name of the site, and of its Slurm cluster."""
    include: Annotated[list[IncludePath], Field(default_factory=list, max_length=100)]
    """Files and folders (these end with `/`) in `inventories/<site>/` with more of this definition, for what is large,
    such as people or machines. Each holds sections as they stand here; mappings are joined."""
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
    adopt: Annotated[list[str], Field(default_factory=list)]
    """What may be taken over from machines that were in use before; what is not named here makes `up` stop."""
    changes: Annotated[Changes, Field(default_factory=lambda: Changes.model_validate({}))]
    """How changes are made: previews on machines, and consents."""
    pods: Annotated[dict[PodKey, Pod], Field(min_length=1)]
    """Pods by key."""

    def get(self, kind: type[P]) -> P | None:
        """The section of this type; None where the stack does not have it."""
        found: P | None = getattr(self, self.sections[kind])
        return found

    def of(self, kind: type[P]) -> P:
        """The section of this type. LookupError where the stack does not have it."""
        found = self.get(kind)
        if found is None:
            raise LookupError(f"the stack has no section {self.sections[kind]}")
        return found
