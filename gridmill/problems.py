"""Predicates over a typed site: each returns every Problem that it finds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from gridmill.catalog import Catalog
from gridmill.core.errors import Problem
from gridmill.core.sections.machines import ListedMachine
from gridmill.core.sections.partial import NotTypedError
from gridmill.core.sections.site import Site
from gridmill.features.backup.problems import backup_problems
from gridmill.features.hosts.hardware import hardware_problems
from gridmill.features.hosts.machines import machine_problems
from gridmill.features.ldap.problems import directory_problems
from gridmill.features.meters.problems import meter_problems
from gridmill.features.network.addressing import addressing_problems
from gridmill.features.network.problems import network_problems
from gridmill.features.nvidia.problems import compatibility_problems
from gridmill.features.people.problems import people_problems
from gridmill.features.slurm.problems import slurm_problems
from gridmill.features.software.problems import software_problems
from gridmill.features.storage.problems import storage_problems
from gridmill.power import PowerAnalysis, analyse, power_problems
from gridmill.power.contract import contract_problems
from gridmill.power.liquid import liquid_problems
from gridmill.power.ramp import ramp_problems

__all__ = ["check"]


def check(
    site: Site,
    catalog: Catalog,
    keys: Mapping[str, str],
    listed: Sequence[ListedMachine] = (),
    work: PowerAnalysis | None = None,
) -> list[Problem]:
    """All problems of the site; `keys` are the public keys beside it, text by file name, `listed` a vendor's machines,
    `work` its power, where that was worked out before.

    Rules that need SKUs or indexes skip what another rule already refuses. A rule about a part of the site that is
    missing, since its types are wrong, says nothing.
    """
    rules: tuple[Callable[[], Iterable[Problem]], ...] = (
        lambda: hardware_problems(site, catalog),
        lambda: addressing_problems(site),
        lambda: network_problems(site),
        lambda: machine_problems(site, catalog, listed),
        lambda: people_problems(site),
        lambda: directory_problems(site, keys),
        lambda: backup_problems(site),
        lambda: power_problems(site, catalog, work or analyse(site, catalog)),
        lambda: meter_problems(site, catalog),
        lambda: contract_problems(site),
        lambda: ramp_problems(site, catalog),
        lambda: liquid_problems(site, catalog),
        lambda: slurm_problems(site, catalog),
        lambda: software_problems(site, catalog, keys),
        lambda: compatibility_problems(site, catalog),
        lambda: storage_problems(site, catalog),
    )
    problems: list[Problem] = []
    for rule in rules:
        with contextlib.suppress(NotTypedError):
            problems += rule()
    return problems
