"""Predicates over a typed site: each returns every Problem that it finds."""

from __future__ import annotations

from gridmill.catalog import Catalog
from gridmill.errors import Problem
from gridmill.model import Site
from gridmill.rules.addressing import addressing_problems
from gridmill.rules.hardware import hardware_problems
from gridmill.rules.people import people_problems
from gridmill.rules.power import power_problems
from gridmill.rules.slurm import slurm_problems
from gridmill.rules.software import software_problems

__all__ = ["check"]


def check(site: Site, catalog: Catalog) -> list[Problem]:
    """All problems of the site. Rules that need SKUs or indexes skip what another rule already refuses."""
    return [
        *hardware_problems(site, catalog),
        *addressing_problems(site),
        *people_problems(site),
        *power_problems(site, catalog),
        *slurm_problems(site, catalog),
        *software_problems(site, catalog),
    ]
