"""Toolkits that all machines share: on a volume that exists, that all of them mount, and on which they can lie."""

from __future__ import annotations

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of
from gridmill.core.errors import Path, Problem
from gridmill.core.sections.site import Site
from gridmill.features.software.problems import NVIDIA
from gridmill.features.software.section import Software
from gridmill.features.storage.problems import clients_of, groups_of, holds_of, toolkit_volume, toolkit_volumes
from gridmill.features.storage.section import volumes_of

PATH: Path = ("software", "nvidia", "cuda")
USERS = frozenset({"login", "compute"})
"""Services whose machines see the toolkits."""


def place_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """What is wrong with the place of the toolkits."""
    cuda = site.of(Software).nvidia.cuda
    if cuda.toolkit != "shared":
        message = "a volume for toolkits that lie on no volume"
        found = Problem((*PATH, "volume"), message, "toolkit: shared", "remove it, or write `toolkit: shared`")
        return [found] if cuda.volume else []
    offered = catalog.offered(site.of(Software).os, site.of(Software).nvidia.source)
    if offered and not offered.side_by_side:
        message = f"packages of {site.of(Software).nvidia.source} lie in /usr, and can't be shared"
        hint = "source: nvidia or mirror, or `toolkit: node`"
        return [Problem((*PATH, "toolkit"), message, "packages that lie below /usr/local/cuda-*", hint)]
    key = toolkit_volume(site)
    return _volume_problems(site, catalog, key) if key else [_undecided(site)]


def _undecided(site: Site) -> Problem:
    candidates = toolkit_volumes(site)
    if candidates:
        message = f"toolkits could lie on {' or '.join(candidates)}"
        return Problem((*PATH, "volume"), message, "one of them", f"such as `volume: {candidates[0]}`")
    message = "no volume for toolkits"
    hint = "add a volume such as `software: {kind: ...}` under storage.volumes, or write `toolkit: node`"
    return Problem((*PATH, "toolkit"), message, "a writable volume with `holds: shared`", hint)


def _volume_problems(site: Site, catalog: Catalog, key: str) -> list[Problem]:
    path = (*PATH, "volume")
    volumes = volumes_of(site)
    candidates = toolkit_volumes(site)
    expected = f"one of {', '.join(candidates)}" if candidates else "a writable volume with `holds: shared`"
    if key not in volumes:
        hint = f"such as `volume: {candidates[0]}`" if candidates else "add it under storage.volumes"
        return [Problem(path, f"{key} is not a volume", expected, hint)]
    holds = holds_of(key, volumes[key])
    if holds != "shared":
        what = "the users' homes" if holds == "homes" else "the users' own directories"
        return [Problem(path, f"{key} holds {what}", expected, "a volume of its own for software")]
    if volumes[key].read_only:
        hint = f"remove readOnly of {key}, or name another volume"
        return [Problem(path, f"{key} is read-only", expected, hint)]
    clients = set(clients_of(site, catalog, volumes[key]))
    without = [name for name, group in groups_of(site) if USERS & set(services_of(group, catalog))]
    without = [name for name in dict.fromkeys(without) if name not in clients]
    if without:
        message = f"{key} is not mounted by {', '.join(without)}"
        hint = f"add {', '.join(without)} to storage.volumes.{key}.clients, or name another volume"
        return [Problem(path, message, "a volume that every login machine and every node that runs jobs mounts", hint)]
    return []


def toolkit_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Versions without a place, a place without versions, several where there can be one; and what is wrong with the
    place."""
    nvidia = site.of(Software).nvidia
    cuda, path = nvidia.cuda, (*NVIDIA, "cuda")
    if cuda.toolkit != "none" and not cuda.versions:
        return [Problem((*path, "versions"), "no version of the toolkit", 'such as ["12.4"]', "or toolkit: none")]
    if cuda.toolkit == "none" and cuda.versions:
        message = "versions of a toolkit that is installed nowhere"
        return [Problem((*path, "versions"), message, "toolkit: shared or node", "or remove the versions")]
    offered = catalog.offered(site.of(Software).os, nvidia.source)
    if offered and not offered.side_by_side and len(cuda.versions) > 1:
        message = f"{nvidia.source} of {site.of(Software).os} has one toolkit at a time"
        hint = "source: nvidia or mirror for several"
        return [Problem((*path, "versions", 1), message, "one version", hint)]
    return place_problems(site, catalog)
