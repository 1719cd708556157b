"""CUDA toolkits: as packages on the machines that get them, or once on a volume, with a link on every machine."""

from __future__ import annotations

from typing import Any

from gridmill.features.cuda.problems import USERS
from gridmill.features.nvidia.plan import TOOLKITS_UID
from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def _alike(plan: SitePlan, host: HostPlan) -> Values:
    shared = plan.nvidia.shared
    if set(plan.nvidia.cuda_services) & set(host.services):
        return {"cuda_packages": plan.nvidia.cuda, "cuda_source": plan.nvidia.source}
    return {"cuda_links": shared.links} if shared and USERS & set(host.services) else {}


def _puts(plan: SitePlan) -> Values:
    """The controller, which puts toolkits on their volume."""
    shared = plan.nvidia.shared
    if shared is None:
        return {}
    [volume] = [one for one in plan.storage.volumes if one.name == shared.volume]
    return {
        "cuda_shared_directory": shared.directory,
        "cuda_shared_mount": volume.mount,
        "cuda_shared_mounted_from": volume.source,
        "cuda_shared_owner": TOOLKITS_UID,
        "cuda_shared_source": plan.nvidia.source,
        "cuda_shared_versions": shared.versions,
    }


def _checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    values = _alike(plan, host)
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


CUDA = Concern(alike=_alike, groups={"controllers": _puts}, checks=_checks)
