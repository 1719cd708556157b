"""Versions of what gets installed, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from gridmill.model.base import Part

Version = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+){1,3}$", max_length=24)]
"""A version number in quotes, such as "24.11"."""


class Nvidia(Part):
    """Driver and libraries of the GPU nodes."""

    source: Literal["distro"] = "distro"
    """`distro`: the packages of the operating system's own distribution."""
    driver: Version
    """Driver version, user space and kernel modules alike."""
    nccl: Version
    """NCCL version."""


class Slurm(Part):
    """The workload manager."""

    version: Version
    """Release series, such as "24.11"."""


class Software(Part):
    """Operating system and versions; what goes together is checked against the catalogue."""

    os: Literal["debian-13"]
    """Operating system that the machines arrive with."""
    nvidia: Nvidia
    """GPU software."""
    slurm: Slurm
    """Workload manager."""
