"""What features are given: a typed site with what it is checked against, and what is planned of it so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from gridmill.catalog import Catalog
from gridmill.core.sections.machines import ListedMachine
from gridmill.core.sections.site import Site
from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import HostPlan
from gridmill.power import Caps, PowerAnalysis, analyse
from gridmill.power.scheduled import ScheduledPower

P = TypeVar("P")


@dataclass(frozen=True)
class Context:
    """A site as rules are asked about it. Parts that have problems of their own are missing; asking for one of them is
    a NotTypedError, which ends the rule."""

    site: Site
    catalog: Catalog
    keys: Mapping[str, str] = field(default_factory=dict)
    """Public keys and certificates beside the stack, text by file name."""
    listed: Sequence[ListedMachine] = ()
    """A vendor's machines."""

    @cached_property
    def power(self) -> PowerAnalysis:
        """The site's power; analysed once, as at 10,000 nodes that is most of the time."""
        return analyse(self.site, self.catalog)


@dataclass(frozen=True)
class Facts:
    """What stands outside of the definition, on the machine that asks; policies are told it."""

    known_hosts: str | None
    """Text of the bootstrap login's known_hosts file; None where it is not."""
    public_passphrase: bool
    """Whether the stack's secrets are under the passphrase of the repository."""
    backend: str
    """URL of Pulumi's state; empty when nobody says."""


@dataclass(frozen=True)
class Case:
    """A typed site and everything that policies ask about it."""

    site: Site
    catalog: Catalog
    keys: Mapping[str, str]
    hosts: Sequence[HostPlan]
    """Machines that a run will connect to."""
    facts: Facts


@dataclass(frozen=True)
class Planning:
    """A checked site while it is planned: the machines are there, and the plans of the features that are needed."""

    definition: Definition
    hosts: tuple[HostPlan, ...]
    """Machines of the installed pods."""
    caps: Caps
    scheduled: ScheduledPower | None
    """What jobs may draw, where Slurm holds the site's power."""
    allocated_w: int
    nameplate_w: int
    """Both IT load of the installed pods, in W."""
    plans: Mapping[str, Any]
    """Plans of features so far, by name."""

    @property
    def site(self) -> Site:
        """The typed site."""
        return self.definition.site

    @property
    def catalog(self) -> Catalog:
        """What the site is built from."""
        return self.definition.catalog

    def of(self, kind: type[P]) -> P:
        """The plan of this type. LookupError when no feature that was planned before has such a one."""
        for plan in self.plans.values():
            if isinstance(plan, kind):
                return plan
        raise LookupError(f"no plan {kind.__name__}; is its feature among `needs`?")
