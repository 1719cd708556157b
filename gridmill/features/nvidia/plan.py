"""GPU software as packages: where they come from, what each kind of machine gets, and what must not be on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gridmill.catalog import Catalog, Node, SoftwareSet
from gridmill.catalog.services import services_of
from gridmill.core.openpgp import normalised
from gridmill.core.sections.site import Site
from gridmill.features.software.section import Software
from gridmill.features.storage.problems import groups_of, mount_of, nodes_of, toolkit_volume
from gridmill.features.storage.section import volumes_of
from gridmill.kernel.context import Planning

Patterns = dict[str, str]
"""Version pattern by package name."""

TOOLKIT_PLACE = "/usr/local/cuda-"
"""Where NVIDIA's packages of a toolkit lie, before its version; programs find it there."""

TOOLKITS_UID = 1991
"""Number of the user who owns toolkits on a volume: below those of people, as root of a client is nobody there."""


@dataclass(frozen=True)
class SourcePlan:
    """A package repository that machines get beside their own."""

    url: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    key: str
    """The public key that signs it, in ASCII armor."""
    fingerprint: str
    origin: str
    packages: tuple[str, ...]
    """What it may be used for, as the packages of an APT preference."""


@dataclass(frozen=True)
class DriverPlan:
    """The driver on one kind of machine."""

    packages: Patterns
    """What is installed and stays at that version."""
    headers: Patterns
    """What modules are built with; follows the kernel."""
    absent: tuple[str, ...]
    """Packages of the other flavour and of other sources, which would be in the way."""
    fabric_manager: bool


@dataclass(frozen=True)
class SharedToolkits:
    """Toolkits on a volume."""

    machine: str
    """Machine that puts them there: the controller, whose phase comes before those that use them."""
    volume: str
    mount: str
    """Where machines mount the volume."""
    directory: str
    """Where on it the toolkits lie, one directory per version."""
    versions: dict[str, Patterns]
    """Packages by version of the toolkit."""

    @property
    def links(self) -> dict[str, str]:
        """Where a toolkit lies, by the place at which programs look for it."""
        return {f"{TOOLKIT_PLACE}{version}": f"{self.directory}/{version}" for version in self.versions}


@dataclass(frozen=True)
class NvidiaPlan:
    """GPU software of a site."""

    source: str
    sources: dict[str, SourcePlan]
    """By name; none where the operating system's own sources have it all."""
    driver: str
    flavour: str
    """`open` or `proprietary` kernel modules."""
    pins: tuple[dict[str, str], ...]
    """APT preferences: packages and the version that they stay at."""
    drivers: dict[str, DriverPlan]
    """By SKU."""
    nccl: Patterns
    cuda: Patterns
    """Toolkits."""
    cuda_services: tuple[str, ...]
    """Services whose machines get the toolkits as packages."""
    shared: SharedToolkits | None
    """Toolkits that lie on a volume, once for all machines."""


CUDA_SERVICES = {"none": (), "shared": (), "node": ("login", "compute")}
"""Which machines get the toolkits as packages: those on which users build programs, and those that run them."""


def plan_nvidia(planning: Planning) -> NvidiaPlan:
    """The plan of a checked definition."""
    site, catalog = planning.site, planning.catalog
    nvidia = site.of(Software).nvidia
    offered = catalog.offered(site.of(Software).os, nvidia.source)
    if offered is None:
        raise ValueError(f"nothing is known of {nvidia.source}; the site was not checked")
    names = offered.packages
    words = {"{driver}": nvidia.driver, "{branch}": nvidia.driver.split(".")[0], "{nccl}": nvidia.nccl}
    skus = {group.sku: catalog.nodes[group.sku] for pod in site.pods.values() for group in pod.nodes.values()}
    toolkits = {v: _filled(names.cuda, {"{cuda}": v, "{cuda-}": v.replace(".", "-")}) for v in nvidia.cuda.versions}
    return NvidiaPlan(
        source=nvidia.source,
        sources=_sources(site, offered, planning.definition.keys),
        driver=nvidia.driver,
        flavour=nvidia.kernel_modules,
        pins=({"packages": " ".join(names.pinned), "version": f"{nvidia.driver}-*"},),
        drivers={key: _driver(site, catalog, offered, sku, words) for key, sku in sorted(skus.items()) if sku.gpu},
        nccl=_filled(names.nccl, words),
        cuda={name: pattern for toolkit in toolkits.values() for name, pattern in toolkit.items()},
        cuda_services=CUDA_SERVICES[nvidia.cuda.toolkit],
        shared=_shared(site, catalog, toolkits),
    )


def _shared(site: Site, catalog: Catalog, toolkits: dict[str, Patterns]) -> SharedToolkits | None:
    key = toolkit_volume(site)
    if key is None:
        return None
    mount = mount_of(key, volumes_of(site)[key])
    controllers = [name for name, group in groups_of(site) if "controller" in services_of(group, catalog)]
    return SharedToolkits(
        nodes_of(site, controllers[0])[0], key, mount, f"{mount}/cuda", dict(sorted(toolkits.items()))
    )


def _filled(patterns: Patterns, words: dict[str, str]) -> Patterns:
    """Names and patterns with the chosen versions in them."""
    found = {}
    for name, pattern in patterns.items():
        filled = [name, pattern]
        for word, value in words.items():
            filled = [text.replace(word, value) for text in filled]
        found[filled[0]] = filled[1]
    return found


def _driver(site: Site, catalog: Catalog, offered: SoftwareSet, sku: Node, words: dict[str, str]) -> DriverPlan:
    names = offered.packages
    way = sku.platform.kernel_modules
    wanted: Patterns = dict(names.driver)
    if way != "none":
        modules = names.modules[site.of(Software).nvidia.kernel_modules]
        wanted |= (modules.dkms if way == "dkms" else modules.prebuilt) | names.persistence
    if sku.fabric_manager:
        wanted |= names.fabric_manager
        if sku.gpu and catalog.gpus[sku.gpu.type].architecture == "blackwell":
            wanted |= names.subnet_manager
    packages = _filled(wanted, words)
    sets = [one for one in catalog.software.values() if one.os == site.of(Software).os]
    known = {name for one in sets for name in _filled(_exclusive(one, modules=way != "none"), words)}
    headers = names.headers if way == "dkms" else {}
    return DriverPlan(packages, dict(headers), tuple(sorted(known - set(packages))), sku.fabric_manager)


def _exclusive(offered: SoftwareSet, *, modules: bool) -> Patterns:
    """What of a source must not stand beside another choice. Where modules are the host's, they are left alone."""
    names = offered.packages
    flavours: Iterable[Patterns] = (
        part for flavour in names.modules.values() for part in (flavour.dkms, flavour.prebuilt) if modules
    )
    return dict(names.driver) | {name: pattern for part in flavours for name, pattern in part.items()}


def _sources(site: Site, offered: SoftwareSet, keys: dict[str, str]) -> dict[str, SourcePlan]:
    """The repository that the chosen source means, if it means one."""
    name, given = site.of(Software).nvidia.source, site.of(Software).sources
    packages = tuple(offered.provides)
    if name == "mirror" and (mirror := given.mirror):
        suites, parts = tuple(mirror.suites), tuple(mirror.components)
        key = _key(keys, mirror.key)
        return {name: SourcePlan(mirror.url, suites, parts, key, mirror.fingerprint, mirror.origin, packages)}
    if name == "nvidia" and (found := offered.repository):
        suites, parts = tuple(found.suites), tuple(found.components)
        key = _key(keys, given.nvidia.key)
        return {name: SourcePlan(found.url, suites, parts, key, found.fingerprint, found.origin, packages)}
    return {}


def _key(keys: dict[str, str], name: str) -> str:
    """The text of a key file; empty while a definition that was loaded to look at its plan has none."""
    return normalised(keys[name]) if name in keys else ""
