"""Storage: volumes that nodes mount, and what the storage nodes keep them in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.core.base import PLAIN_KEY, WORDS_WITH_HYPHENS, GroupKey, Part, UserName, VolumeKey, text
from gridmill.core.sections.site import Site
from gridmill.core.units import Bytes

HostPath = Annotated[
    str,
    text(r"^(/[A-Za-z0-9_][A-Za-z0-9._-]*){1,8}$", "an absolute path without `.` and `..`, such as /data/nvme0", 120),
]
"""An absolute path on a machine, without `.`, `..` or anything that a shell or systemd would read into it."""

MountOption = Annotated[
    str, text(r"^[a-z_][a-z0-9_-]{0,40}(=[A-Za-z0-9._:/@+-]{1,120})?$", "one mount option, such as nconnect=8", 160)
]
"""One mount option, such as `nconnect=8`."""

Source = Annotated[
    str, text(r"^[A-Za-z0-9][A-Za-z0-9._:/@,=\[\]-]*$", "a source without spaces, such as nfs1.example:/export", 400)
]
"""What an external volume is mounted from, in the notation of its file system."""

NodeName = Annotated[str, text(WORDS_WITH_HYPHENS, PLAIN_KEY, 63)]
"""Name of a node: pod, rack and unit, such as `pod-a-r1-u38`."""

VolumeKind = Literal["moosefs", "nfs", "external"]
VolumeType = Literal["nfs4", "cephfs", "lustre", "wekafs"]
Holds = Literal["homes", "users", "shared"]


class Quota(Part):
    """How much each user's directory may hold: a hard limit on the length of its files."""

    default: Bytes | None = None
    """Limit of every user who is not named, such as `500 GB`; without it they have none."""
    users: Annotated[dict[UserName, Bytes], Field(default_factory=dict)]
    """Limits by login name."""


class StorageServers(Part):
    """What the storage nodes of one group keep volumes in. Nothing is ever formatted: the file systems exist."""

    directories: Annotated[
        list[HostPath], Field(min_length=1, max_length=64, default_factory=lambda: ["/srv/gridmill"])
    ]
    """Directories for data, one per file system; Gridmill makes its own directories in them.
    By default `/srv/gridmill`."""
    mounted: bool = False
    """Whether each directory must be a mount point, so that a disk that is missing never fills the system's own."""
    master: NodeName | None = None
    """Node that runs MooseFS's master and keeps its metadata; needed where the group has several nodes."""


class Volume(Part):
    """A file system that nodes mount."""

    kind: VolumeKind
    """`moosefs` or `nfs`: served by the site's own storage nodes; `external`: served by somebody else."""
    served_by: GroupKey | None = None
    """Group of storage nodes that serve it."""
    mount: HostPath | None = None
    """Where nodes mount it; by default `/shared/<key>`."""
    clients: Annotated[list[GroupKey], Field(min_length=1)] | None = None
    """Groups of nodes that mount it; by default all that run jobs or take logins."""
    read_only: bool = False
    """Whether it is mounted read-only."""
    holds: Holds | None = None
    """`homes`: the users' home directories; `users`: a private directory for each user; `shared`: one directory in
    which everybody may write, as in /tmp. By default `homes` for the volume called `home`, else `shared`. What
    is in an external volume is made by its owner."""
    size: Bytes | None = None
    """Hard limit of the whole volume (MooseFS), such as `100 TB`."""
    quota: Quota | None = None
    """Limits per user (MooseFS), where the volume holds homes or users' directories."""
    replicas: Annotated[int, Field(ge=1, le=9)] | None = None
    """Copies of every piece of data, on different nodes (MooseFS); 2 by default."""
    type: VolumeType | None = None
    """File system of an external volume."""
    source: Source | None = None
    """Source of an external volume, as its file system writes it: `filer.example:/export` for nfs4,
    `10.0.0.1@tcp:/scratch` for lustre, `backend/scratch` for wekafs, `mon1,mon2:/path` for cephfs."""
    options: Annotated[list[MountOption], Field(default_factory=list, max_length=32)]
    """More mount options. Secrets never stand here: name a file that only root can read."""


class Storage(Part):
    """Shared file systems of the site."""

    servers: Annotated[dict[GroupKey, StorageServers], Field(default_factory=dict)]
    """How groups of storage nodes keep data, where the defaults don't fit."""
    volumes: Annotated[dict[VolumeKey, Volume], Field(min_length=1)]
    """Volumes by key."""


def volumes_of(site: Site) -> dict[VolumeKey, Volume]:
    """Volumes by name; none without storage."""
    storage = site.get(Storage)
    return storage.volumes if storage else {}


def servers_of(site: Site) -> dict[GroupKey, StorageServers]:
    """What the stack says of groups that serve volumes."""
    storage = site.get(Storage)
    return storage.servers if storage else {}
