"""CUDA toolkits: as packages on the machines that get them, or once on a volume, with a link on every machine."""

from __future__ import annotations

from gridmill.features.cuda.problems import USERS
from gridmill.features.nvidia.plan import TOOLKITS_UID, NvidiaPlan
from gridmill.features.storage.plan import StoragePlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def class_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Toolkits as packages, or links to those on a volume."""
    shared = plan.of(NvidiaPlan).shared
    if set(plan.of(NvidiaPlan).cuda_services) & set(host.services):
        return {"cuda_packages": plan.of(NvidiaPlan).cuda, "cuda_source": plan.of(NvidiaPlan).source}
    return {"cuda_links": shared.links} if shared and USERS & set(host.services) else {}


def controller_variables(plan: SitePlan) -> Values:
    """The controller, which puts toolkits on their volume."""
    shared = plan.of(NvidiaPlan).shared
    if shared is None:
        return {}
    [volume] = [one for one in plan.of(StoragePlan).volumes if one.name == shared.volume]
    return {
        "cuda_shared_directory": shared.directory,
        "cuda_shared_mount": volume.mount,
        "cuda_shared_mounted_from": volume.source,
        "cuda_shared_owner": TOOLKITS_UID,
        "cuda_shared_source": plan.of(NvidiaPlan).source,
        "cuda_shared_versions": shared.versions,
    }


def checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Every toolkit is there in its version, and answers on login nodes."""
    values = class_variables(plan, host)
    packages = [
        {"check": "package", "name": name, "version_prefix": pattern.removesuffix("*")}
        for name, pattern in values.get("cuda_packages", {}).items()
    ]
    answers = "login" in host.services
    toolkits = [
        {"check": "toolkit", "path": path, "target": target, "answers": answers}
        for path, target in values.get("cuda_links", {}).items()
    ]
    return [*packages, *toolkits]
