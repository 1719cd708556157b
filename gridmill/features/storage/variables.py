"""Storage: the nodes that serve volumes, and every node that mounts them."""

from __future__ import annotations

from gridmill.features.storage.plan import ServerPlan, StoragePlan, VolumePlan, volume_directory
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan

CLIENT_PACKAGES = {"moosefs": "moosefs-client", "nfs4": "nfs-common", "ceph": "ceph-common"}
"""Packages with the mount helper, by file system; what is not here comes from its maker."""


def _server_of(plan: SitePlan, host: HostPlan) -> ServerPlan | None:
    return next(
        (
            server
            for server in plan.of(StoragePlan).servers
            if plan.of(StoragePlan).served_by(host) and server.group == host.group
        ),
        None,
    )


def _volumes_of(plan: SitePlan, server: ServerPlan, kind: str) -> list[VolumePlan]:
    return [volume for volume in plan.of(StoragePlan).volumes if volume.group == server.group and volume.kind == kind]


def server_variables(plan: SitePlan, host: HostPlan) -> Values:
    """What a server keeps volumes in, and for whom."""
    server = _server_of(plan, host)
    values: Values = {}
    if server and "moosefs" in server.kinds:
        values |= {
            "storage_moosefs_master": server.address,
            "storage_moosefs_directories": list(server.directories),
            "storage_moosefs_mounted": server.mounted,
            "storage_moosefs_networks": [plan.supernet],
            "storage_moosefs_volumes": {one.name: _kept(one) for one in _volumes_of(plan, server, "moosefs")},
            "storage_moosefs_people": list(plan.of(StoragePlan).people),
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
            "storage_nfs_people": list(plan.of(StoragePlan).people),
        }
    return values


def withdrawn_variables(plan: SitePlan, host: HostPlan) -> Values:
    """What a server goes on serving once every client was changed."""
    server = _server_of(plan, host)
    if server is None:
        return {}
    master = server.address if "moosefs-master" in plan.of(StoragePlan).served_by(host) else ""
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


def server_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Daemons run, servers see each other, exports are there."""
    server = _server_of(plan, host)
    if server is None:
        return []
    checks: list[Values] = []
    if "moosefs" in plan.of(StoragePlan).served_by(host):
        checks.append({"check": "service", "name": "moosefs-chunkserver"})
    if "moosefs-master" in plan.of(StoragePlan).served_by(host):
        servers = [one for one in plan.hosts if one.name in server.hosts]
        working = [one.address for one in servers if one.maintenance is None]
        others = [one.address for one in servers if one.maintenance is not None]
        checks.append({"check": "service", "name": "moosefs-master"})
        checks.append({"check": "moosefs_servers", "master": server.address, "addresses": working, "others": others})
    if "nfs" in plan.of(StoragePlan).served_by(host):
        exported = [volume_directory(server, one.name) for one in _volumes_of(plan, server, "nfs")]
        checks.append({"check": "service", "name": "nfs-server"})
        checks.append({"check": "nfs_exports", "paths": exported})
    return checks


def mount_variables(plan: SitePlan, host: HostPlan) -> Values:
    """Volumes that a machine mounts."""
    volumes = [
        volume for volume in plan.of(StoragePlan).volumes if volume.name in plan.of(StoragePlan).mounted_by(host)
    ]
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


def mount_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Every volume is mounted from where it should be."""
    return [
        {"check": "mounted", "path": one.mount, "source": one.source, "read_only": one.read_only}
        for one in plan.of(StoragePlan).volumes
        if one.name in plan.of(StoragePlan).mounted_by(host)
    ]
