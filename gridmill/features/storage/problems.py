"""Storage: volumes on groups that exist and can serve and mount them, at places that hide nothing."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

from gridmill.catalog import Catalog
from gridmill.catalog.services import services_of, undetermined
from gridmill.core.errors import Path, Problem
from gridmill.core.names import node_label
from gridmill.core.sections.partial import NotTypedError
from gridmill.core.sections.pods import NodeGroup
from gridmill.core.sections.site import Site
from gridmill.features.ldap.logins import numbers
from gridmill.features.software.section import Software
from gridmill.features.storage.section import Holds, Storage, StorageServers, Volume, servers_of, volumes_of

DEFAULT_REPLICAS = 2
"""Copies of a MooseFS volume when the stack doesn't say."""

SYSTEM_DIRECTORIES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/root", "/run", "/sbin"),
    *("/sys", "/tmp", "/usr", "/var"),  # noqa: S108 - names, no files
)
"""What belongs to the machine: nothing is mounted there or below (Filesystem Hierarchy Standard)."""

PARENTS_ONLY = frozenset({"/media", "/mnt", "/opt", "/srv"})
"""Directories that a volume may lie in, and never hide."""

SECRET_OPTION = re.compile(r"(pass(word|wd|phrase)?|md5pass|secret|token|credentials?|apikey|key)$")
OWN_OPTIONS = frozenset(
    {
        *("_netdev", "nofail", "auto", "noauto", "ro", "rw", "suid", "nosuid", "dev", "nodev", "remount", "bind"),
        *("fg", "bg", "soft", "hard", "vers", "nfsvers", "minorversion", "sec", "mfsmaster", "mfsport", "mfssubfolder"),
    }
)
"""Options that Gridmill decides itself, or that would change what it promises."""

SOURCES = {
    "nfs4": (r"[A-Za-z0-9.:\[\]-]+:/[A-Za-z0-9._/-]*", "server:/path"),
    "lustre": (r"[A-Za-z0-9.@,:-]+:/[A-Za-z0-9._/-]+", "10.0.0.1@tcp:/scratch"),
    "cephfs": (r"([A-Za-z0-9.:,\[\]-]+:|[a-z0-9._-]+@[a-z0-9.-]*=)/[A-Za-z0-9._/-]*", "mon1,mon2:/path"),
    "wekafs": (r"[A-Za-z0-9.,:-]+/[A-Za-z0-9._-]+", "backend/scratch"),
}
KERNEL_MODULES = frozenset({"lustre", "wekafs"})
"""File systems whose makers' modules must be built for the kernel."""

ONLY_FOR: dict[str, frozenset[str]] = {
    "served_by": frozenset({"moosefs", "nfs"}),
    "size": frozenset({"moosefs"}),
    "quota": frozenset({"moosefs"}),
    "replicas": frozenset({"moosefs"}),
    "type": frozenset({"external"}),
    "source": frozenset({"external"}),
}
HINTS = {"quota": "MooseFS has quotas; of NFS, ask the exported file system"}


def mount_of(key: str, volume: Volume) -> str:
    """Where nodes mount a volume."""
    return volume.mount or f"/shared/{key}"


def holds_of(key: str, volume: Volume) -> Holds:
    """What a volume holds."""
    return volume.holds or ("homes" if key == "home" else "shared")


def clients_of(site: Site, catalog: Catalog, volume: Volume) -> list[str]:
    """Keys of the groups that mount a volume, in the order of the stack; of toolkits the controller, who puts them
    there, is always one."""
    given = volume.clients
    wanted = {"login", "compute"} if given is None else set()
    key = toolkit_volume(site)
    wanted |= {"controller"} if key and volumes_of(site).get(key) is volume else set()
    found = [key for key, group in groups_of(site) if wanted & set(services_of(group, catalog))]
    return list(dict.fromkeys([*(given or ()), *found]))


def toolkit_volumes(site: Site) -> list[str]:
    """Volumes on which toolkits lie unless another is named: of the site itself, everybody's, and writable."""
    volumes = volumes_of(site)
    own = {key: volume for key, volume in volumes.items() if volume.kind != "external" and not volume.read_only}
    return [key for key, volume in own.items() if holds_of(key, volume) == "shared"]


def toolkit_volume(site: Site) -> str | None:
    """The volume of toolkits that all machines share; None where there is none, or nobody can say which."""
    with contextlib.suppress(NotTypedError):
        cuda = site.of(Software).nvidia.cuda
        if cuda.toolkit == "shared":
            found = toolkit_volumes(site)
            return cuda.volume or (found[0] if len(found) == 1 else None)
    return None


def groups_of(site: Site) -> list[tuple[str, NodeGroup]]:
    """All groups of installed pods; one that several pods have comes once per pod."""
    return [(key, group) for pod in site.pods.values() if pod.from_ is None for key, group in pod.nodes.items()]


def nodes_of(site: Site, group_key: str) -> list[str]:
    """Names of the nodes of a group, in all installed pods."""
    return sorted(
        node_label(pod_key, slot)
        for pod_key, pod in site.pods.items()
        if group_key in pod.nodes and pod.from_ is None
        for slot in pod.nodes[group_key].at
    )


def storage_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """Everything that is wrong with volumes and their servers."""
    problems = list(_homes_warning(site, catalog))
    if site.get(Storage) is None:
        return problems
    for key, volume in volumes_of(site).items():
        path: Path = ("storage", "volumes", key)
        problems += _shape_problems(path, volume)
        problems += _server_problems(path, volume, site, catalog)
        problems += _client_problems(path, volume, site, catalog)
        problems += _option_problems(path, volume)
        problems += _quota_problems(path, key, volume, site)
    problems += _mount_problems(site.of(Storage))
    problems += _homes_problems(site.of(Storage))
    for key, servers in servers_of(site).items():
        problems += _directory_problems(key, servers, site, catalog)
    return problems


def _shape_problems(path: Path, volume: Volume) -> Iterator[Problem]:
    for field, kinds in ONLY_FOR.items():
        if getattr(volume, field) is not None and volume.kind not in kinds:
            key = Volume.model_fields[field].alias or field
            message = f"a volume of kind {volume.kind} has no {key}"
            yield Problem(
                (*path, key), message, f"only for {' and '.join(sorted(kinds))}", HINTS.get(field, "remove it")
            )
    if volume.kind == "external":
        for field in ("type", "source"):
            if getattr(volume, field) is None:
                yield Problem((*path, field), "missing", f"the {field} of what is mounted", "add it")
        if volume.type and volume.source and not re.fullmatch(SOURCES[volume.type][0], volume.source, re.ASCII):
            message = f"{volume.source} is not a source of {volume.type}"
            yield Problem((*path, "source"), message, f"such as {SOURCES[volume.type][1]}")
    elif volume.served_by is None:
        yield Problem((*path, "servedBy"), "missing", "the group of storage nodes that serve it", "add it")


def _server_problems(path: Path, volume: Volume, site: Site, catalog: Catalog) -> Iterator[Problem]:
    if volume.served_by is None or volume.kind == "external" or not _can_be_checked(volume.served_by, site, catalog):
        return
    known = storage_groups(site, catalog)
    if volume.served_by not in known:
        what = "has no storage nodes" if volume.served_by in dict(groups_of(site)) else "is not a group of any pod"
        expected = f"one of {', '.join(known)}" if known else "a group of storage nodes"
        yield Problem(
            (*path, "servedBy"), f"{volume.served_by} {what}", expected, "name a group whose service is storage"
        )
        return
    nodes = nodes_of(site, volume.served_by)
    if volume.kind == "nfs" and len(nodes) > 1:
        message = f"{volume.served_by} has {len(nodes)} nodes, and NFS is served by one"
        yield Problem(
            (*path, "servedBy"), message, "a group of one node", "a group of its own for the server, or moosefs"
        )
    replicas = volume.replicas or DEFAULT_REPLICAS
    if volume.kind == "moosefs" and replicas > len(nodes):
        message = f"{replicas} copies need {replicas} nodes, and {volume.served_by} has {len(nodes)}"
        hint = f"write `replicas: {len(nodes)}`" + (
            ", knowing that one disk holds the only copy" if len(nodes) == 1 else ""
        )
        yield Problem((*path, "replicas"), message, f"at most {len(nodes)}", hint)
    needed = "kernel" if volume.kind == "nfs" else "fuse"
    for group in _groups(site, [volume.served_by]):
        if problem := _platform(catalog, group, needed):
            yield Problem(
                (*path, "servedBy"), f"{group.sku} {problem}", "nodes that can serve it", "moosefs, or other nodes"
            )
            return
    if volume.kind == "moosefs" and volume.served_by not in _with_master(site) and len(nodes) > 1:
        servers = ("storage", "servers", volume.served_by, "master")
        message = f"{volume.served_by} has several nodes, and none is the master"
        hint = f"`{volume.served_by}: {{master: {nodes[0]}}}` under storage.servers"
        yield Problem(servers, message, f"one of {', '.join(nodes)}", hint)


def _can_be_checked(group: str, site: Site, catalog: Catalog) -> bool:
    """Whether it can be said what a group does: its SKU is known, and some pod stands."""
    return bool(groups_of(site)) and group not in undetermined(site, catalog)


def _with_master(site: Site) -> set[str]:
    return {key for key, servers in servers_of(site).items() if servers.master}


def storage_groups(site: Site, catalog: Catalog) -> list[str]:
    """Keys of groups whose nodes do storage."""
    return sorted({key for key, group in groups_of(site) if "storage" in services_of(group, catalog)})


def _groups(site: Site, keys: Iterable[str]) -> list[NodeGroup]:
    wanted = set(keys)
    return [group for key, group in groups_of(site) if key in wanted]


def _platform(catalog: Catalog, group: NodeGroup, needed: str) -> str:
    """Why the nodes of a group can't do it; empty when they can. `needed`: kernel, fuse or modules."""
    sku = catalog.nodes.get(group.sku)
    if sku is None:
        return ""
    platform = sku.platform
    if needed == "modules" and platform.kernel_modules == "none":
        return "takes no kernel modules (platform.kernelModules: none)"
    if needed != "fuse" and platform.file_systems != "kernel":
        return f"has no NFS or CephFS of its own kernel (platform.fileSystems: {platform.file_systems})"
    if needed == "fuse" and platform.file_systems == "none":
        return "has no FUSE (platform.fileSystems: none)"
    return ""


def _client_problems(path: Path, volume: Volume, site: Site, catalog: Catalog) -> Iterator[Problem]:
    known = {key for pod in site.pods.values() for key in pod.nodes}
    for position, key in enumerate(volume.clients or []):
        if key not in known:
            message = f"{key} is not a group of any pod"
            yield Problem((*path, "clients", position), message, f"one of {', '.join(sorted(known))}")
    needed = "fuse" if volume.kind == "moosefs" else "modules" if volume.type in KERNEL_MODULES else "kernel"
    for group in _groups(site, clients_of(site, catalog, volume)):
        if problem := _platform(catalog, group, needed):
            hint = "name the groups that can under `clients`, or use moosefs"
            yield Problem((*path, "kind"), f"{group.sku} {problem}", "nodes that can mount it", hint)
            return


def _option_problems(path: Path, volume: Volume) -> Iterator[Problem]:
    for position, option in enumerate(volume.options):
        name, _, value = option.partition("=")
        if value and SECRET_OPTION.search(name):
            hint = "an option that names a file which only root can read, such as secretfile="
            yield Problem((*path, "options", position), f"{name} holds a secret", "no secrets in the stack", hint)
        elif name in OWN_OPTIONS:
            hint = "readOnly: true" if name in {"ro", "rw"} else "remove it"
            yield Problem((*path, "options", position), f"{name} is decided by Gridmill", "other options", hint)


def _quota_problems(path: Path, key: str, volume: Volume, site: Site) -> Iterator[Problem]:
    if volume.quota is None or volume.kind != "moosefs":
        return
    if holds_of(key, volume) == "shared":
        message = "quotas are kept per user's directory, and this volume has none"
        yield Problem((*path, "quota"), message, "holds: users", "`holds: users`, or `size` for the whole volume")
    known = logins(site)
    limits: dict[tuple[str, ...], int | None] = {
        ("default",): volume.quota.default,
        **{("users", name): one for name, one in volume.quota.users.items()},
    }
    for place, limit in limits.items():
        if place[0] == "users" and place[1] not in known:
            expected = f"one of {', '.join(sorted(known))}"
            yield Problem((*path, "quota", *place), f"unknown user {place[1]}", expected, "add the person under access")
        if limit and volume.size and limit > volume.size:
            yield Problem((*path, "quota", *place), "larger than the volume", "at most its size", "a smaller quota")


def logins(site: Site) -> dict[str, int]:
    """User IDs of everybody who gets a directory, by login name."""
    return numbers(site)


def _mount_problems(storage: Storage) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for key, volume in storage.volumes.items():
        mount = mount_of(key, volume)
        path: Path = ("storage", "volumes", key, "mount")
        system = next((one for one in SYSTEM_DIRECTORIES if inside(mount, one)), None)
        clashes = [f"{mount} lies in {system}, which belongs to the system"] if system else []
        clashes += [f"{mount} would hide what the system keeps there"] if mount in PARENTS_ONLY else []
        clashes += [
            f"{mount} and {other} of {owner} would hide one another"
            for other, owner in taken.items()
            if inside(mount, other) or inside(other, mount)
        ]
        clashes += [
            f"{mount} clashes with {directory}, where {group} keeps data"
            for group, servers in storage.servers.items()
            for directory in servers.directories
            if inside(mount, directory) or inside(directory, mount)
        ]
        for clash in clashes:
            yield Problem(path, clash, "a directory of its own", f"/shared/{key}")
        taken.setdefault(mount, key)


def inside(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies below it."""
    return path == directory or path.startswith(f"{directory}/")


def _homes_problems(storage: Storage) -> Iterator[Problem]:
    homes = [key for key, volume in storage.volumes.items() if holds_of(key, volume) == "homes"]
    for key in homes[1:]:
        path = ("storage", "volumes", key, "holds")
        yield Problem(path, f"{homes[0]} holds the homes already", "one volume of homes", "holds: users")


def _homes_warning(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """Users whose jobs run on other machines than they log in to, with a home of its own on each."""
    people = set(numbers(site)) - set(site.access.admins)
    shared = any(holds_of(key, volume) == "homes" for key, volume in volumes_of(site).items())
    groups = groups_of(site)
    working = any("compute" in services_of(group, catalog) for _, group in groups)
    if people and working and not shared and sum(len(group.at) for _, group in groups) > 1:
        message = "no volume holds homes: what a job writes stays on its node, where its user may not log in"
        hint = "a volume such as `home: {kind: nfs, of: GROUP}` under storage.volumes; docs/guides/storage.md"
        yield Problem(("storage",), message, "homes that all nodes share", hint, warning=True)


def _directory_problems(key: str, servers: StorageServers, site: Site, catalog: Catalog) -> Iterator[Problem]:
    path: Path = ("storage", "servers", key)
    if not _can_be_checked(key, site, catalog):
        return
    known = storage_groups(site, catalog)
    if key not in known:
        yield Problem(path, f"{key} has no storage nodes", f"one of {', '.join(known)}" if known else "a storage group")
        return
    for position, directory in enumerate(servers.directories):
        if any(inside(directory, one) for one in SYSTEM_DIRECTORIES) or directory in PARENTS_ONLY:
            message = f"{directory} belongs to the system"
            yield Problem((*path, "directories", position), message, "a directory for data", "/srv/gridmill")
    for first, second in pairwise(sorted(servers.directories)):
        if inside(second, first):
            position = servers.directories.index(second)
            message = f"{second} lies in {first}" if second != first else f"{second} stands twice"
            yield Problem((*path, "directories", position), message, "one directory per file system", "remove it")
    nodes = nodes_of(site, key)
    if servers.master and servers.master not in nodes:
        yield Problem((*path, "master"), f"{servers.master} is not a node of {key}", f"one of {', '.join(nodes)}")
