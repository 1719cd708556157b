"""Versions of what gets installed, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import Part, VolumeKey, text
from gridmill.core.versions import Fingerprint, OriginName, SourceUrl, Version

KeyFileName = Annotated[
    str,
    text(
        r"^[a-z0-9]([._-]?[a-z0-9])*\.asc$",
        "the name of a file, without a path, that ends with .asc, such as mirror.asc",
        60,
    ),
]
"""A file in `inventories/<site>/keys/`: an OpenPGP public key in ASCII armor."""

SuiteName = Annotated[
    str,
    text(
        r"^(\./|/|[a-z0-9]([./_-]?[a-z0-9])*/?)$", "a suite such as trixie, or ./ for a repository without suites", 60
    ),
]
"""A suite such as `trixie`, or `./` for a repository without suites."""

ComponentName = Annotated[str, text(r"^[a-z0-9]([._-]?[a-z0-9])*$", "a component such as main", 40)]
"""A component such as `main`."""


class Cuda(Part):
    """The CUDA toolkit, for building programs. Running them needs the driver only, which every GPU node has."""

    toolkit: Literal["none", "shared", "node"] = "none"
    """Where it is installed. `shared`: once on a volume, which every machine on which users log in or which runs jobs
    sees below /usr/local; needs NVIDIA's packages. `node`: as packages on each of those machines (5 GB each)."""
    versions: list[Version] = Field(default_factory=list)
    """Versions side by side, such as ["12.4"]."""
    volume: VolumeKey | None = None
    """Volume of a `shared` toolkit, which lies in its directory `cuda`; the controller mounts it too, to put it there.
    By default the only writable volume of the site's own storage with `holds: shared`."""


class Nvidia(Part):
    """Driver and libraries of the GPU nodes."""

    source: Literal["distro", "nvidia", "mirror"] = "distro"
    """`distro`: the packages of the operating system's own distribution. `nvidia`: NVIDIA's public repository.
    `mirror`: a repository of your own with NVIDIA's packages, as `software.sources.mirror` says."""
    driver: Version
    """Driver version, user space and kernel modules alike."""
    kernel_modules: Literal["open", "proprietary"] = "open"
    """Flavour of the kernel modules."""
    nccl: Version
    """NCCL version."""
    cuda: Cuda = Cuda()
    """CUDA toolkit."""


class Slurm(Part):
    """The workload manager."""

    version: Version
    """Release series, such as "24.11"."""


class NvidiaRepository(Part):
    """NVIDIA's public repository; address and fingerprint stand in the catalogue."""

    key: KeyFileName = "nvidia.asc"
    """File in `inventories/<site>/keys/` with the key that NVIDIA signs it with, as fetched from there."""


class Mirror(Part):
    """A repository of your own that holds NVIDIA's packages."""

    url: SourceUrl
    """Address, such as `https://packages.ems1.example/nvidia`."""
    suites: Annotated[list[SuiteName], Field(min_length=1, default_factory=lambda: ["./"])]
    """Suites; `./` for a repository without."""
    components: Annotated[list[ComponentName], Field(default_factory=list)]
    """Components; none for a repository without suites."""
    key: KeyFileName = "mirror.asc"
    """File in `inventories/<site>/keys/` with the public key that signs it."""
    fingerprint: Fingerprint
    """Fingerprint of that key."""
    origin: OriginName = "NVIDIA"
    """`Origin` in its Release file; a mirror that is copied bit by bit keeps NVIDIA's."""


class PackageSources(Part):
    """Where packages come from, beside the operating system's own sources."""

    nvidia: NvidiaRepository = NvidiaRepository()
    """NVIDIA's public repository, used where `nvidia.source` is `nvidia`."""
    mirror: Mirror | None = None
    """Your mirror, used where `nvidia.source` is `mirror`."""


class Software(Part):
    """Operating system and versions; what goes together is checked against the catalogue."""

    os: Literal["debian-13"]
    """Operating system that the machines arrive with."""
    sources: PackageSources = PackageSources()
    """Package repositories."""
    nvidia: Nvidia
    """GPU software."""
    slurm: Slurm
    """Workload manager."""
