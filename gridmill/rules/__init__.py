"""Predicates over a typed site: each returns every Problem that it finds."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from gridmill.catalog import Catalog
from gridmill.errors import Problem
from gridmill.model import Site
from gridmill.model.machines import ListedMachine
from gridmill.model.partial import NotTypedError
from gridmill.rules.addressing import addressing_problems
from gridmill.rules.backup import backup_problems
from gridmill.rules.compatibility import compatibility_problems
from gridmill.rules.directory import directory_problems
from gridmill.rules.growth import contract_problems
from gridmill.rules.hardware import hardware_problems
from gridmill.rules.liquid import liquid_problems
from gridmill.rules.machines import machine_problems
from gridmill.rules.networks import network_problems
from gridmill.rules.people import people_problems
from gridmill.rules.power import PowerWork, power_problems, work_out
from gridmill.rules.power.meters import meter_problems
from gridmill.rules.ramp import ramp_problems
from gridmill.rules.slurm import slurm_problems
from gridmill.rules.software import software_problems
from gridmill.rules.storage import storage_problems

__all__ = ["check"]


def check(
    site: Site,
    catalog: Catalog,
    keys: Mapping[str, str],
    listed: Sequence[ListedMachine] = (),
    work: PowerWork | None = None,
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
        lambda: power_problems(site, catalog, work or work_out(site, catalog)),
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
