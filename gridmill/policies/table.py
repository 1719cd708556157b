"""The rules by name, as the policy pack and the command line ask them: which stop an update, and what can be set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from gridmill.catalog import Catalog
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.features.nvidia.problems import compatibility_problems
from gridmill.features.software.problems import software_problems
from gridmill.policies.organisation import (
    Host,
    host_key_problems,
    margin_problems,
    passphrase_problems,
    redundancy_problems,
    state_problems,
)
from gridmill.power import analyse, power_problems
from gridmill.power.contract import unused_problems
from gridmill.power.ramp import load_problems

Level = Literal["mandatory", "advisory"]
"""`mandatory` stops a preview and an update, `advisory` is said."""


@dataclass(frozen=True)
class Facts:
    """What stands outside the definition, on the machine that asks."""

    known_hosts: str | None
    """Text of the bootstrap login's known_hosts file; None where it is not."""
    public_passphrase: bool
    """Whether the stack's secrets are under the passphrase of the repository."""
    backend: str
    """URL of Pulumi's state; empty when nobody says."""


@dataclass(frozen=True)
class Case:
    """A typed site and everything that rules ask about it."""

    site: Site
    catalog: Catalog
    keys: Mapping[str, str]
    hosts: Sequence[Host]
    facts: Facts


@dataclass(frozen=True)
class Policy:
    """One rule with a name, as CrossGuard knows it."""

    name: str
    description: str
    level: Level
    problems: Callable[[Case, Mapping[str, Any]], Iterable[Problem]]
    """The predicate; its second argument holds the options that were set."""
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON Schema of every option, with its default."""

    def ask(self, case: Case, options: Mapping[str, Any] | None = None) -> list[Problem]:
        """All problems; options that are not set have their defaults."""
        defaults = {name: schema["default"] for name, schema in self.options.items()}
        return list(self.problems(case, {**defaults, **(options or {})}))


POLICIES = (
    Policy(
        "power-within-limits",
        "Every limit of the site's power holds: budgets, connection, contract, feeds, phases, supplies, cooling.",
        "mandatory",
        lambda case, _: power_problems(case.site, case.catalog, analyse(case.site, case.catalog)),
    ),
    Policy(
        "supported-versions",
        "Driver, toolkit, Slurm and GPUs are versions that are offered, that work together, and whose signer is known.",
        "mandatory",
        lambda case, _: [
            *software_problems(case.site, case.catalog, case.keys),
            *compatibility_problems(case.site, case.catalog),
        ],
    ),
    Policy(
        "secrets-are-own",
        "A site with real machines does not use the public passphrase of the virtual site.",
        "mandatory",
        lambda case, _: passphrase_problems(case.site, case.catalog, public=case.facts.public_passphrase),
    ),
    Policy(
        "host-keys-known",
        "The host key of every machine is known before the first connection.",
        "mandatory",
        lambda case, _: host_key_problems(case.site, case.hosts, case.facts.known_hosts),
    ),
    Policy(
        "state-at-home",
        "The state of the site is kept by its operator.",
        "mandatory",
        lambda case, options: state_problems(case.facts.backend, options["allowed"]),
        {
            "allowed": {
                "type": "array",
                "items": {"type": "string"},
                "default": [],
                "description": "URLs of Pulumi services that the operator runs.",
            }
        },
    ),
    Policy(
        "margin-at-meter",
        "Some of the connection and of the contracted power is left with everything on.",
        "advisory",
        lambda case, options: margin_problems(case.site, case.catalog, options["share"]),
        {
            "share": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.05,
                "description": "Share of each limit at the meter that must be left.",
            }
        },
    ),
    Policy(
        "contract-in-use",
        "Power that is contracted in a congested area is used before it may be taken back.",
        "advisory",
        lambda case, _: unused_problems(case.site, case.catalog),
    ),
    Policy(
        "ramp-under-load",
        "A job that starts on one machine stays within the ramp of the grid connection.",
        "advisory",
        lambda case, _: load_problems(case.site, case.catalog),
    ),
    Policy(
        "survives-a-loss",
        "A site with real machines is planned for the loss of any one part (N-1).",
        "advisory",
        lambda case, _: redundancy_problems(case.site, case.catalog),
    ),
)
