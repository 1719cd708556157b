"""Software: versions that the chosen source offers on the chosen operating system."""

from __future__ import annotations

from gridmill.catalog import Catalog
from gridmill.errors import Path, Problem
from gridmill.model import Site


def software_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Versions that the source doesn't offer, each with what it offers."""
    software = site.software
    offered = catalog.software.get(f"{software.os}-{software.nvidia.source}")
    if offered is None:
        sets = ", ".join(sorted(catalog.software))
        message = f"nothing is known of source {software.nvidia.source} on {software.os}"
        return [Problem(("software", "nvidia", "source"), message, f"one of {sets}")]
    wanted: list[tuple[Path, str, list[str]]] = [
        (("software", "nvidia", "driver"), software.nvidia.driver, offered.drivers),
        (("software", "nvidia", "nccl"), software.nvidia.nccl, offered.nccl),
        (("software", "slurm", "version"), software.slurm.version, offered.slurm),
    ]
    return [
        Problem(
            path,
            f"{software.nvidia.source} of {software.os} does not offer {version}",
            f"one of {', '.join(versions)}",
            f'write "{versions[-1]}"',
        )
        for path, version, versions in wanted
        if version not in versions
    ]
