"""What a feature is: one folder that declares its keys, problems, plan, roles, variables, checks and secrets.

Everything generic walks these objects: the site's model, problems, plan, documents, verification, status, reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from gridmill.core.base import Part
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.kernel.context import Case, Context, Planning
from gridmill.kernel.site_plan import HostPlan, SitePlan

Values = dict[str, Any]
"""Variables of Ansible by name, or one check."""

Rule = Callable[[Context], Iterable[Problem]]
"""A predicate over a typed site: every problem that it finds. What another rule refuses already, it skips."""


class Stage(IntEnum):
    """When a role runs on a machine, within its phase. Roles of one stage run in the order of their features."""

    BASE = 10
    """People, system settings."""
    NAMES = 20
    """DNS, its server first."""
    TIME = 30
    ACCOUNTS = 40
    """Users from elsewhere."""
    SOURCES = 50
    """Package repositories."""
    STORAGE = 60
    """Servers of volumes, mounts."""
    DEVICES = 70
    """Drivers and what sits on them."""
    LIMITS = 80
    """Power limits."""
    GATE = 90
    """What hardware must be before anything is allowed to use it."""
    TOOLS = 100
    """Software for users."""
    SERVICES = 110
    """Slurm and other services."""
    OPERATIONS = 120
    """Backups, monitoring."""
    VERIFICATION = 200
    """What machines must be found to be, after everything else."""


def _nothing(_: SitePlan) -> Values:
    return {}


def _nothing_of_a_class(_: SitePlan, __: HostPlan) -> Values:
    return {}


def _no_checks(_: SitePlan, __: HostPlan) -> list[Values]:
    return []


@dataclass(frozen=True, eq=False)
class Placement:
    """A role on the machines of some phases, with its variables, checks and secret files.

    Without a role it only adds variables and checks. Roles of Gridmill's collection are named by their short name.
    """

    role: str | None
    phases: Mapping[str, str]
    """Ansible pattern of the role's machines by phase, such as `{"pod": "gpu"}`; `all` takes every machine of it."""
    stage: Stage
    site_variables: Callable[[SitePlan], Values] = _nothing
    """Variables of every machine of the phase."""
    group_variables: Mapping[str, Callable[[SitePlan], Values]] = field(default_factory=dict)
    """Variables of the machines of a group (see `Feature.groups`); asked only where the group has machines."""
    class_variables: Callable[[SitePlan, HostPlan], Values] = _nothing_of_a_class
    """Variables of one machine. Machines with equal ones are one class, and share them in the document."""
    checks: Callable[[SitePlan, HostPlan], list[Values]] = _no_checks
    """What a machine must be found to be; its name and address come from its own entry."""
    secret_files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Secret files of the first controller that a group's machines need: path by variable, by group."""
    role_variables: Values = field(default_factory=dict)
    """Variables of this very run of the role, where it runs more than once."""


@dataclass(frozen=True)
class Endpoint:
    """Something that a feature has listen on machines, and answer over HTTP on their management address.

    Verification asks it on the machine itself, and whether it listens anywhere else; `gridmill status` asks it from the
    controller.
    """

    name: str
    """Of the service, as people know it."""
    port: int
    path: str
    """What to ask for, such as `/metrics`."""
    contains: str
    """Text that a right answer has."""

    def check(self) -> Values:
        """The check of verification."""
        return {"check": "endpoint", **asdict(self)}


Level = Literal["mandatory", "advisory"]
"""`mandatory` stops a preview and an update, `advisory` is said."""


@dataclass(frozen=True)
class Policy:
    """A rule that an organisation asks of every site, as CrossGuard knows it."""

    name: str
    description: str
    level: Level
    problems: Callable[[Case, Mapping[str, Any]], Iterable[Problem]]
    """The predicate; its last argument holds the options that were set."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON Schema of every option, with its default."""

    def ask(self, case: Case, options: Mapping[str, Any] | None = None) -> list[Problem]:
        """All problems; options that are not set have their defaults."""
        defaults = {name: schema["default"] for name, schema in self.options.items()}
        return list(self.problems(case, {**defaults, **(options or {})}))


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature. Everything but its name is optional."""

    name: str
    """Also the name of its folder and of its plan in `gridmill plan --json`."""
    needs: tuple[str, ...] = ()
    """Features that it imports from; they are planned first. It may import no others."""
    section: type[Part] | None = None
    """Its keys in the stack definition."""
    key: str = ""
    """Where they stand in the stack definition; by default the feature's name."""
    summary: str = ""
    """What that section is, in one line, for the schema and the reference."""
    required: bool = False
    """Whether a site must have the section."""
    default: Callable[[], Part] | None = None
    """What a site without the section has; None leaves it out."""
    consents: tuple[str, ...] = ()
    """Words under `adopt` that let it take over what was on machines before."""
    problems: tuple[Rule, ...] = ()
    plan: Callable[[Planning], Any] | None = None
    """Its own frozen plan; others read it by type, `plan.of(StoragePlan)`."""
    groups: Mapping[str, Callable[[SitePlan, HostPlan], bool]] = field(default_factory=dict)
    """Groups of machines that it adds, by name."""
    placements: tuple[Placement, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Secret keys of the stack's configuration, and the roles' variables that they become."""
    required_secrets: Callable[[Site], Sequence[str]] = lambda _: ()
    """Those secret keys that this site cannot do without."""
    policies: tuple[Policy, ...] = ()
    endpoints: Callable[[SitePlan, HostPlan], Sequence[Endpoint]] = lambda _, __: ()
    """What `gridmill status` asks of a machine in service."""
    directory: Path | None = None
    """Folder of a feature from elsewhere, with its roles in `roles/`; None for Gridmill's own."""
