"""Predicates over a typed site: each returns every Problem that it finds."""

from __future__ import annotations

from collections.abc import Mapping

from gridmill.catalog import Catalog
from gridmill.errors import Problem
from gridmill.model import Site
from gridmill.rules.addressing import addressing_problems
from gridmill.rules.compatibility import compatibility_problems
from gridmill.rules.hardware import hardware_problems
from gridmill.rules.networks import network_problems
from gridmill.rules.people import people_problems
from gridmill.rules.power import power_problems
from gridmill.rules.slurm import slurm_problems
from gridmill.rules.software import software_problems

__all__ = ["check"]


def check(site: Site, catalog: Catalog, keys: Mapping[str, str]) -> list[Problem]:
    """All problems of the site; `keys` are the public keys beside it, text by file name.

    Rules that need SKUs or indexes skip what another rule already refuses.
    """
    return [
        *hardware_problems(site, catalog),
        *addressing_problems(site),
        *network_problems(site),
        *people_problems(site),
        *power_problems(site, catalog),
        *slurm_problems(site, catalog),
        *software_problems(site, catalog, keys),
        *compatibility_problems(site, catalog),
    ]
