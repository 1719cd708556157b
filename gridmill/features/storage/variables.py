"""Storage: the nodes that serve volumes, and every node that mounts them."""

from __future__ import annotations

from typing import Any

from gridmill.features.storage.plan import ServerPlan, VolumePlan, volume_directory
from gridmill.kernel.shape import Concern, Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

CLIENT_PACKAGES = {"moosefs": "moosefs-client", "nfs4": "nfs-common", "ceph": "ceph-common"}
"""Packages with the mount helper, by file system; what is not here comes from its maker."""


def _server_of(plan: SitePlan, host: HostPlan) -> ServerPlan | None:
    return next((server for server in plan.storage.servers if host.serves and server.group == host.group), None)


def _volumes_of(plan: SitePlan, server: ServerPlan, kind: str) -> list[VolumePlan]:
    return [volume for volume in plan.storage.volumes if volume.group == server.group and volume.kind == kind]


def _served(plan: SitePlan, host: HostPlan) -> Values:
    server = _server_of(plan, host)
    values: Values = {}
    if server and "moosefs" in server.kinds:
        values |= {
            "storage_moosefs_master": server.address,
            "storage_moosefs_directories": list(server.directories),
            "storage_moosefs_mounted": server.mounted,
            "storage_moosefs_networks": [plan.supernet],
            "storage_moosefs_volumes": {one.name: _kept(one) for one in _volumes_of(plan, server, "moosefs")},
            "storage_moosefs_people": list(plan.storage.people),
            "storage_moosefs_adopt": "moosefs" in plan.adopt,
        }
    if server and "nfs" in server.kinds:
        values |= {
            "storage_nfs_directories": list(server.directories),
            "storage_nfs_mounted": server.mounted,
            "storage_nfs_networks": [plan.supernet],
            "storage_nfs_volumes": {
                one.name: {
                    "path": volume_directory(server, one.name),
                    "holds": one.holds,
                    "read_only": one.read_only,
                }
                for one in _volumes_of(plan, server, "nfs")
            },
            "storage_nfs_people": list(plan.storage.people),
        }
    return values


def _withdrawn(plan: SitePlan, host: HostPlan) -> Values:
    """What a server goes on serving once every client was changed."""
    server = _server_of(plan, host)
    if server is None:
        return {}
    master = server.address if "moosefs-master" in host.serves else ""
    return {
        "storage_withdraw_master": master,
        "storage_withdraw_moosefs": {
            one.name: {"read_only": one.read_only} for one in _volumes_of(plan, server, "moosefs") if master
        },
        "storage_withdraw_nfs": {
            one.name: {"path": volume_directory(server, one.name), "read_only": one.read_only}
            for one in _volumes_of(plan, server, "nfs")
        },
        "storage_withdraw_networks": [plan.supernet],
    }


def _kept(volume: VolumePlan) -> Values:
    return {
        "holds": volume.holds,
        "read_only": volume.read_only,
        "replicas": volume.replicas,
        "size": volume.size or 0,
        "quota": volume.quota or 0,
        "quotas": volume.quotas,
    }


def _server_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    server = _server_of(plan, host)
    if server is None:
        return []
    checks: list[dict[str, Any]] = []
    if "moosefs" in host.serves:
        checks.append({"check": "service", "name": "moosefs-chunkserver"})
    if "moosefs-master" in host.serves:
        servers = [one for one in plan.hosts if one.name in server.hosts]
        working = [one.address for one in servers if one.maintenance is None]
        others = [one.address for one in servers if one.maintenance is not None]
        checks.append({"check": "service", "name": "moosefs-master"})
        checks.append({"check": "moosefs_servers", "master": server.address, "addresses": working, "others": others})
    if "nfs" in host.serves:
        exported = [volume_directory(server, one.name) for one in _volumes_of(plan, server, "nfs")]
        checks.append({"check": "service", "name": "nfs-server"})
        checks.append({"check": "nfs_exports", "paths": exported})
    return checks


def _mounted(plan: SitePlan, host: HostPlan) -> Values:
    volumes = [volume for volume in plan.storage.volumes if volume.name in host.mounts]
    if not volumes:
        return {}
    packages = sorted({CLIENT_PACKAGES[one.file_system] for one in volumes if one.file_system in CLIENT_PACKAGES})
    return {
        "storage_mounts_packages": dict.fromkeys(packages, ""),
        "storage_mounts_volumes": {
            one.name: {
                "mount": one.mount,
                "what": one.what,
                "source": one.source,
                "type": one.file_system,
                "options": list(one.options),
            }
            for one in volumes
        },
    }


def _mount_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    return [
        {"check": "mounted", "path": one.mount, "source": one.source, "read_only": one.read_only}
        for one in plan.storage.volumes
        if one.name in host.mounts
    ]


STORAGE_SERVERS = Concern(alike=_served, checks=_server_checks)
STORAGE_EXPORTS = Concern(alike=_withdrawn, checks=_server_checks)
STORAGE_MOUNTS = Concern(alike=_mounted, checks=_mount_checks)
