"""Storage as plain data: who serves which volume, and how nodes mount it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of
from gridmill.core.sections.site import Site
from gridmill.features.storage.problems import (
    DEFAULT_REPLICAS,
    clients_of,
    groups_of,
    holds_of,
    logins,
    mount_of,
    nodes_of,
)
from gridmill.features.storage.section import Storage, StorageServers, Volume, servers_of, volumes_of
from gridmill.kernel.context import Planning
from gridmill.kernel.site_plan import HostPlan

LOCAL_HOMES = "/home"
"""Where machines have their own homes (useradd of Debian)."""

MOOSEFS_PORT = 9421
"""Port on which MooseFS's master answers clients (mfsmaster.cfg, MATOCL_LISTEN_PORT)."""

MOUNT_TYPES = {"cephfs": "ceph"}
"""Types for mount(8) that are called otherwise in the stack."""

SAFE_OPTIONS = ("nosuid", "nodev", "_netdev", "nofail")
"""Nothing on a shared file system gets privileges or is a device; the mount waits for the network, and the boot not
for the mount."""

NFS_OPTIONS = ("vers=4.2", "proto=tcp", "hard", "timeo=600", "sec=sys")
"""A server that is away makes jobs wait, never lose data: `hard`, and 60 s until a request is sent again (nfs(5))."""


@dataclass(frozen=True)
class VolumePlan:
    """One volume, as nodes mount it and servers keep it."""

    name: str
    kind: str
    file_system: str
    """Type for mount(8)."""
    mount: str
    what: str
    """What is mounted, for mount(8)."""
    source: str
    """What /proc/self/mountinfo shows as its source."""
    options: tuple[str, ...]
    clients: tuple[str, ...]
    """Groups of nodes that mount it."""
    read_only: bool
    group: str | None
    """Group of nodes that serve it; None for an external one."""
    holds: str
    size: int | None
    """Bytes that it may hold."""
    quota: int | None
    """Bytes of every user who is not in `quotas`."""
    quotas: dict[str, int]
    """Bytes by login."""
    replicas: int


@dataclass(frozen=True)
class ServerPlan:
    """The nodes of one group, and what they keep volumes in."""

    group: str
    hosts: tuple[str, ...]
    master: str
    """Name of the node that answers clients: MooseFS's master, or the NFS server."""
    address: str
    directories: tuple[str, ...]
    mounted: bool
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class StoragePlan:
    """Volumes and servers of a site."""

    volumes: tuple[VolumePlan, ...] = ()
    servers: tuple[ServerPlan, ...] = ()
    people: tuple[dict[str, Any], ...] = ()
    """Everybody who gets a directory: name and uid."""
    mounts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Volumes by the group of nodes that mounts them."""
    serves: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By node, what it serves volumes with: `moosefs`, `moosefs-master`, `nfs`."""

    def mounted_by(self, host: HostPlan) -> tuple[str, ...]:
        """Volumes that a machine mounts."""
        return self.mounts.get(host.group, ())

    def served_by(self, host: HostPlan) -> tuple[str, ...]:
        """What a machine serves volumes with."""
        return self.serves.get(host.name, ())


def mounts_of(site: Site, catalog: Catalog, group_key: str) -> tuple[str, ...]:
    """Volumes that the nodes of a group mount."""
    volumes = volumes_of(site)
    return tuple(sorted(key for key, volume in volumes.items() if group_key in clients_of(site, catalog, volume)))


def homes_of(site: Site) -> str | None:
    """Where the volume of homes is mounted; None when there is none."""
    volumes = volumes_of(site)
    return next((mount_of(key, volume) for key, volume in volumes.items() if holds_of(key, volume) == "homes"), None)


def home_of(site: Site, login: str) -> str | None:
    """Home directory of a person who runs jobs, on the volume of homes; None when there is none."""
    homes = homes_of(site)
    return f"{homes}/{login}" if homes else None


def serves_of(site: Site, group_key: str, node: str) -> tuple[str, ...]:
    """What a node serves: `moosefs`, `moosefs-master`, `nfs`."""
    kinds = _kinds(site, group_key)
    if "moosefs" in kinds and node == _master(site, group_key):
        kinds = (*kinds, "moosefs-master")
    return tuple(sorted(kinds))


def plan_storage(planning: Planning) -> StoragePlan:
    """The plan of a checked site."""
    site, catalog = planning.site, planning.catalog
    if site.get(Storage) is None:
        return StoragePlan()
    addresses = {host.name: host.address for host in planning.hosts}
    groups = sorted({key for key, group in groups_of(site) if "storage" in services_of(group, catalog)})
    servers = []
    for key in groups:
        if kinds := _kinds(site, key):
            master = _master(site, key)
            given = servers_of(site).get(key) or StorageServers.model_validate({})
            directories = tuple(given.directories)
            nodes = tuple(nodes_of(site, key))
            servers.append(ServerPlan(key, nodes, master, addresses[master], directories, given.mounted, kinds))
    by_group = {server.group: server for server in servers}
    volumes = tuple(
        _plan_volume(site, catalog, key, volume, by_group.get(volume.served_by or ""))
        for key, volume in sorted(volumes_of(site).items())
    )
    people = tuple({"name": name, "uid": uid} for name, uid in sorted(logins(site).items()))
    present = sorted({host.group for host in planning.hosts})
    mounts = {group: found for group in present if (found := mounts_of(site, catalog, group))}
    serves = {host.name: found for host in planning.hosts if (found := serves_of(site, host.group, host.name))}
    return StoragePlan(volumes, tuple(servers), people, mounts, serves)


def _kinds(site: Site, group_key: str) -> tuple[str, ...]:
    volumes = volumes_of(site).values()
    return tuple(sorted({volume.kind for volume in volumes if volume.served_by == group_key}))


def _master(site: Site, group_key: str) -> str:
    given = servers_of(site).get(group_key)
    return (given.master if given else None) or nodes_of(site, group_key)[0]


def volume_directory(server: ServerPlan, name: str) -> str:
    """Where an NFS server keeps a volume."""
    return f"{server.directories[0]}/{name}"


def _plan_volume(site: Site, catalog: Catalog, key: str, volume: Volume, server: ServerPlan | None) -> VolumePlan:
    quota = volume.quota
    fixed: tuple[str, ...] = SAFE_OPTIONS
    if volume.kind == "moosefs" and server:
        file_system = "moosefs"
        what = f"{server.address}:{MOOSEFS_PORT}:/{key}"
        source = f"mfs#{server.address}:{MOOSEFS_PORT}/{key}"
    elif volume.kind == "nfs" and server:
        file_system, fixed = "nfs4", (*NFS_OPTIONS, *SAFE_OPTIONS)
        what = source = f"{server.address}:{volume_directory(server, key)}"
    else:
        file_system = MOUNT_TYPES.get(str(volume.type), str(volume.type))
        fixed = (*NFS_OPTIONS, *SAFE_OPTIONS) if file_system == "nfs4" else SAFE_OPTIONS
        what = source = str(volume.source)
    return VolumePlan(
        name=key,
        kind=volume.kind,
        file_system=file_system,
        mount=mount_of(key, volume),
        what=what,
        source=source,
        options=(*fixed, *(("ro",) if volume.read_only else ()), *volume.options),
        clients=tuple(clients_of(site, catalog, volume)),
        read_only=volume.read_only,
        group=volume.served_by,
        holds=holds_of(key, volume),
        size=volume.size,
        quota=quota.default if quota else None,
        quotas=dict(sorted(quota.users.items())) if quota else {},
        replicas=volume.replicas or DEFAULT_REPLICAS,
    )
