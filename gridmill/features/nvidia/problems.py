"""Compatibility: driver, GPU, CUDA toolkit, kernel modules and Fabric Manager, by the catalogue's data."""

from __future__ import annotations

from collections.abc import Iterator

from gridmill.catalog import Catalog, Gpu, Node, SoftwareSet
from gridmill.core.errors import Problem
from gridmill.core.sections.site import Site
from gridmill.features.software.problems import NVIDIA
from gridmill.features.software.section import Software

VENDOR = "nvidia"


def number(version: str) -> tuple[int, ...]:
    """A version for comparing: 550.54.14 as (550, 54, 14)."""
    return tuple(int(part) for part in version.split("."))


def compatibility_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """What can't work together though each is on offer, and what would."""
    return [
        *_driver_problems(site, catalog),
        *_flavour_problems(site, catalog),
        *_toolkit_problems(site, catalog),
        *_platform_problems(site, catalog),
    ]


def gpu_groups(site: Site, catalog: Catalog) -> Iterator[tuple[str, str, Node, Gpu]]:
    """Pod, group, SKU and GPU of every group of nodes with GPUs."""
    for pod_key, pod in site.pods.items():
        for group_key, group in pod.nodes.items():
            sku = catalog.nodes.get(group.sku)
            if sku and sku.gpu:
                yield pod_key, group_key, sku, catalog.gpus[sku.gpu.type]


def _gpus(site: Site, catalog: Catalog) -> dict[str, tuple[str, Gpu]]:
    """Every type of GPU of the site, with the first place of it."""
    found: dict[str, tuple[str, Gpu]] = {}
    for pod, group, _, gpu in gpu_groups(site, catalog):
        found.setdefault(gpu.id, (f"{group} of {pod}", gpu))
    return found


def _driver_problems(site: Site, catalog: Catalog) -> list[Problem]:
    driver = site.of(Software).nvidia.driver
    return [
        Problem(
            (*NVIDIA, "driver"),
            f"{driver} can't run {gpu.model} ({place})",
            f"{gpu.minimum_driver} or newer",
            _drivers_that_fit(site, catalog, gpu.minimum_driver),
        )
        for place, gpu in _gpus(site, catalog).values()
        if number(driver) < number(gpu.minimum_driver)
    ]


def _drivers_that_fit(site: Site, catalog: Catalog, least: str) -> str:
    """What the known sources offer from a version on."""
    os = site.of(Software).os
    fitting = [
        f"{offered.id.removeprefix(f'{os}-')} offers {', '.join(versions)}"
        for offered in catalog.software.values()
        if offered.os == os
        and (versions := [version for version in offered.drivers if number(version) >= number(least)])
    ]
    return "; ".join(fitting) or f"no known source of {os} offers such a driver"


def _flavour_problems(site: Site, catalog: Catalog) -> list[Problem]:
    needs = catalog.compatibility[VENDOR]
    nvidia = site.of(Software).nvidia
    path = (*NVIDIA, "kernelModules")
    problems = []
    for place, gpu in _gpus(site, catalog).values():
        possible = needs.architectures[gpu.architecture].kernel_modules
        if nvidia.kernel_modules not in possible:
            message = f"{gpu.model} ({place}) can't work with {nvidia.kernel_modules} kernel modules"
            problems.append(Problem(path, message, f"{' or '.join(possible)}", f"kernelModules: {possible[0]}"))
    if nvidia.kernel_modules == "open" and number(nvidia.driver) < number(needs.open_from):
        message = f"driver {nvidia.driver} has no open kernel modules"
        problems.append(Problem(path, message, f"driver {needs.open_from} or newer", "kernelModules: proprietary"))
    return problems


def _toolkit_problems(site: Site, catalog: Catalog) -> list[Problem]:
    needs = catalog.compatibility[VENDOR]
    driver = site.of(Software).nvidia.driver
    problems = []
    for position, version in enumerate(site.of(Software).nvidia.cuda.versions):
        path = (*NVIDIA, "cuda", "versions", position)
        least = needs.cuda.get(version)
        if least is None:
            known = ", ".join(needs.cuda)
            problems.append(Problem(path, f"nothing is known of CUDA {version}", f"one of {known}"))
            continue
        if number(driver) < number(least):
            fitting = [known for known, oldest in needs.cuda.items() if number(oldest) <= number(driver)]
            message = f"programs of CUDA {version} need driver {least} or newer, not {driver}"
            hint = f'"{fitting[-1]}" at most, or a newer driver' if fitting else "a newer driver"
            problems.append(Problem(path, message, f"driver {least} or newer", hint))
        for place, gpu in _gpus(site, catalog).values():
            about = needs.architectures[gpu.architecture]
            if number(version) < number(about.cuda_from):
                message = f"CUDA {version} can't build for {gpu.model} ({place})"
                problems.append(Problem(path, message, f"{about.cuda_from} or newer"))
            if about.cuda_before and number(version) >= number(about.cuda_before):
                message = f"CUDA {version} no longer builds for {gpu.model} ({place})"
                problems.append(Problem(path, message, f"older than {about.cuda_before}"))
    return problems


def _platform_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Ways in which modules can't be had, and NVSwitch systems that nothing would set up."""
    nvidia = site.of(Software).nvidia
    offered = catalog.offered(site.of(Software).os, nvidia.source)
    if offered is None:
        return []
    of = f"{nvidia.source} of {site.of(Software).os}"
    problems = []
    for pod, group, sku, gpu in gpu_groups(site, catalog):
        path = ("pods", pod, "nodes", group, "sku")
        way = sku.platform.kernel_modules
        modules = offered.packages.modules.get(nvidia.kernel_modules)
        if way != "none" and not (modules and getattr(modules, way)):
            message = f"{of} has no {way} {nvidia.kernel_modules} kernel modules for {sku.id}"
            hint = "`platform: {kernelModules: dkms}` in the SKU" if way == "prebuilt" else "another source"
            problems.append(Problem(path, message, "a way that is offered", hint))
        if missing := _missing_managers(sku, gpu, offered):
            message = f"{of} has no {' and no '.join(missing)}, without which no GPU of {sku.id} works"
            hint = "software.nvidia.source: nvidia, or a mirror of it"
            problems.append(Problem(path, message, "a source that has it", hint))
    return problems


def _missing_managers(sku: Node, gpu: Gpu, offered: SoftwareSet) -> list[str]:
    if not sku.fabric_manager:
        return []
    missing = [] if offered.packages.fabric_manager else ["Fabric Manager"]
    if gpu.architecture.startswith("blackwell") and not offered.packages.subnet_manager:
        missing.append("NVLink subnet manager")
    return missing
