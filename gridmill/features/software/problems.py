"""Software: versions that the chosen source offers on the chosen operating system, and sources that can be trusted."""

from __future__ import annotations

from collections.abc import Mapping

from gridmill.catalog import Catalog, SoftwareSet
from gridmill.core.errors import Path, Problem
from gridmill.core.openpgp import NoKeyError, fingerprint
from gridmill.core.sections.site import Site
from gridmill.features.software.section import Software

NVIDIA: Path = ("software", "nvidia")


def software_problems(site: Site, catalog: Catalog, keys: Mapping[str, str]) -> list[Problem]:
    """Sources that are not defined or whose key is not the right one, and versions that a source doesn't offer."""
    software = site.of(Software)
    source = software.nvidia.source
    problems = _version_problems(site, "distro", catalog, [(("software", "slurm", "version"), software.slurm.version)])
    if source == "mirror" and software.sources.mirror is None:
        message = "no mirror is defined"
        hint = "mirror: {url: https://..., fingerprint: ...}, and its key in inventories/<site>/keys/mirror.asc"
        problems.append(Problem(("software", "sources", "mirror"), message, "your mirror of NVIDIA's packages", hint))
    elif software.sources.mirror:
        problems += _suite_problems(site)
    problems += _key_problems(site, catalog, keys)
    cuda = software.nvidia.cuda
    wanted: list[tuple[Path, str]] = [
        ((*NVIDIA, "driver"), software.nvidia.driver),
        ((*NVIDIA, "nccl"), software.nvidia.nccl),
        *(((*NVIDIA, "cuda", "versions", position), version) for position, version in enumerate(cuda.versions)),
    ]
    return [*problems, *_version_problems(site, source, catalog, wanted)]


def _version_problems(site: Site, source: str, catalog: Catalog, wanted: list[tuple[Path, str]]) -> list[Problem]:
    os = site.of(Software).os
    offered = catalog.offered(os, source)
    if offered is None:
        sets = ", ".join(sorted(catalog.software))
        return [Problem((*NVIDIA, "source"), f"nothing is known of source {source} on {os}", f"one of {sets}")]
    return [
        Problem(
            path,
            f"{source} of {os} does not offer {version}",
            f"one of {', '.join(versions)}" if versions else "none is offered",
            f'write "{versions[-1]}"' if versions else "remove it",
        )
        for path, version in wanted
        if version not in (versions := _versions(offered, path))
    ]


def _versions(offered: SoftwareSet, path: Path) -> list[str]:
    if "cuda" in path:
        return offered.cuda
    return {"driver": offered.drivers, "nccl": offered.nccl, "version": offered.slurm}[str(path[-1])]


def _suite_problems(site: Site) -> list[Problem]:
    mirror = site.of(Software).sources.mirror
    flat = [suite.endswith("/") for suite in mirror.suites] if mirror else []
    path = ("software", "sources", "mirror", "components")
    if mirror and any(flat) and mirror.components:
        return [Problem(path, "components of a suite that ends with /", "none", "remove them, or name a suite")]
    if mirror and not all(flat) and not mirror.components:
        return [
            Problem(path, "a suite without components", "such as [main]", "or `suites: [./]` for a flat repository")
        ]
    return []


def _key_problems(site: Site, catalog: Catalog, keys: Mapping[str, str]) -> list[Problem]:
    """The key file of the source that is used: there, one public key, and the very one that the fingerprint names."""
    sources, source = site.of(Software).sources, site.of(Software).nvidia.source
    path: Path = ("software", "sources", source, "key")
    offered = catalog.offered(site.of(Software).os, source)
    if source == "nvidia" and offered and offered.repository:
        name, expected = sources.nvidia.key, offered.repository.fingerprint
        origin = f"{offered.repository.url}/{expected[-8:]}.pub"
    elif source == "mirror" and sources.mirror:
        name, expected = sources.mirror.key, sources.mirror.fingerprint
        origin = f"gpg --armor --export {expected} > inventories/{site.name}/keys/{name}"
    else:
        return []
    place = f"inventories/{site.name}/keys/{name}"
    if name not in keys:
        return [
            Problem(
                path, f"{place} does not exist", f"the public key {expected}", f"put it there: {origin}", later=True
            )
        ]
    try:
        found = fingerprint(keys[name])
    except NoKeyError as error:
        hint = "remove it and replace the key: whoever has it can sign packages" if "private" in str(error) else origin
        return [Problem(path, f"{place} is {error}", f"the public key {expected}", hint)]
    if found != expected:
        hint = "find out who signs the repository before you change either of them"
        return [Problem(path, f"{place} holds the key {found}", f"the key {expected}", hint)]
    return []
