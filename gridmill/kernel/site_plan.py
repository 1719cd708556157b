"""The plan of a site: plain, frozen data that everything after it prints, compares or carries out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from gridmill.core.sections.changes import Changes
from gridmill.features.backup.section import Backup
from gridmill.features.ldap.plan import DirectoryPlan
from gridmill.features.meters.plan import MetersPlan
from gridmill.features.nvidia.plan import NvidiaPlan
from gridmill.features.slurm.watts import WattsPlan, held_w
from gridmill.features.storage.plan import StoragePlan
from gridmill.power import Draw
from gridmill.power.levels import PowerLevels


@dataclass(frozen=True)
class GpuPlan:
    """GPUs of one node."""

    model: str
    """Name as NVML reports it."""
    count: int
    gres_type: str
    memory_bytes: int
    nvlinks: int
    power_min_w: int
    power_max_w: int
    power_default_w: int
    """Power limit after a start."""
    entry: str
    """The catalogue's file that says so."""
    cap_w: int | None = None
    """Power limit that the plan sets on each; None leaves the default."""


@dataclass(frozen=True)
class HostPlan:
    """One machine: its name and address come from pod, rack and unit alone."""

    name: str
    fqdn: str
    address: str
    pod: str
    rack: str
    unit: int
    group: str
    sku: str
    kind: str
    """`gpu`, `cpu`, `management` or `storage`."""
    services: tuple[str, ...]
    gpu: GpuPlan | None
    kernel_modules: str
    """`dkms`, `prebuilt` or `none`, as the SKU's platform declares."""
    simulated: bool
    draw: Draw
    """IT power."""
    serial: str | None = None
    """Serial number that its firmware must tell; None when nobody said."""
    address6: str | None = None
    clock: str = "own"
    """`own`, or `host` where the machine must not set its clock, as the SKU's platform declares."""
    mac: str | None = None
    """MAC address that one of its interfaces must have, in lower case with colons; None when nobody said."""
    serial_file: str = ""
    """Where the machine tells its serial number, as the SKU's platform declares."""
    maintenance: str | None = None
    """Why it is being worked on, and left out of every run; None when it is in service."""
    mounts: tuple[str, ...] = ()
    """Volumes that it mounts."""
    serves: tuple[str, ...] = ()
    """What it serves volumes with: `moosefs`, `moosefs-master`, `nfs`."""


@dataclass(frozen=True)
class KernelPlan:
    """The kernel of machines that boot one of their own."""

    sysctl: dict[str, str]
    parameters: tuple[str, ...]
    """Of the boot line."""


@dataclass(frozen=True)
class EquipmentPlan:
    """What stands in a rack and is no machine: a switch, a power shelf, a cooling unit."""

    group: str
    sku: str
    kind: str
    rack: str
    unit: int
    nameplate_w: int


@dataclass(frozen=True)
class PowerPlan:
    """Draw of a pod or a site in W, IT side unless said otherwise."""

    budget_w: int
    nameplate_w: int
    allocated_w: int
    """What the caps in force guarantee; the nameplate without caps."""
    typical_w: int
    idle_w: int

    @property
    def margin_w(self) -> int:
        """Budget minus what is allocated."""
        return self.budget_w - self.allocated_w


@dataclass(frozen=True)
class PodPlan:
    """One pod."""

    key: str
    index: int
    network: str
    """Its block of addresses, in CIDR form."""
    hosts: tuple[HostPlan, ...]
    power: PowerPlan
    network6: str | None = None
    """Its /64, in CIDR form."""
    planned_from: str | None = None
    """Date from which a pod is expected that is not on the floor yet; None for one that is."""
    equipment: tuple[EquipmentPlan, ...] = ()


@dataclass(frozen=True)
class Growth:
    """The site once a pod that is planned has come: sums over everything until then, in W."""

    pod: str
    planned_from: str
    nameplate_w: int
    meter_w: int
    limit_w: int
    """What may be drawn at the meter by then."""


@dataclass(frozen=True)
class VlanPlan:
    """A VLAN: shown and checked, configured by whoever runs the switches."""

    name: str
    id: int
    network: str | None


@dataclass(frozen=True)
class BackupPlan:
    """Backups of the controller."""

    recipients: tuple[str, ...]
    at: str
    """Time of day, in the site's time zone."""
    keep: int
    directory: str
    mounted: bool
    maximum_age_hours: int

    @classmethod
    def of(cls, backup: Backup | None) -> BackupPlan | None:
        """None for a site without backups."""
        if backup is None:
            return None
        recipients = tuple(backup.recipients)
        return cls(recipients, backup.at, backup.keep, backup.directory, backup.mounted, backup.maximum_age_hours)


@dataclass(frozen=True)
class RolloutPlan:
    """How nodes in service are changed when that would hit jobs."""

    waves: tuple[str, ...]
    """Sizes: nodes, or shares of the pod's nodes that run jobs."""
    failures: int
    jobs: str
    wait_s: int
    reboot: bool
    windows: tuple[str, ...]

    @classmethod
    def of(cls, changes: Changes) -> RolloutPlan:
        """As the stack says."""
        wanted = changes.rollout
        return cls(tuple(wanted.waves), wanted.failures, wanted.jobs, wanted.wait, wanted.reboot, tuple(wanted.windows))


@dataclass(frozen=True)
class ChangesPlan:
    """How changes are made."""

    asks_machines: bool
    """Whether a preview asks machines."""
    checks_drift: bool
    """Whether drift is a change."""
    preview_limit_s: int
    plan_valid_s: int
    """How long an approved plan may be applied."""
    rollout: RolloutPlan
    largest_loss_percent: int
    consent: dict[str, str]
    """Reason by name of a change."""

    @classmethod
    def of(cls, changes: Changes) -> ChangesPlan:
        """As the stack says."""
        preview = changes.preview
        return cls(
            preview.machines,
            changes.drift == "check",
            preview.limit,
            preview.plan_valid,
            RolloutPlan.of(changes),
            changes.largest_loss,
            dict(changes.consent),
        )


@dataclass(frozen=True)
class AccessPlan:
    """The bootstrap login of the machines."""

    bootstrap_user: str
    identity_file: str
    known_hosts_file: str


@dataclass(frozen=True)
class SlurmPlan:
    """Slurm's configuration as data, for the templates to print."""

    settings: dict[str, str]
    """`slurm.conf`, key by key, in order."""
    nodes: tuple[dict[str, str], ...]
    """One line of `slurm.conf` each, in node ranges."""
    partitions: tuple[dict[str, str], ...]
    gres: tuple[dict[str, str], ...]
    """Lines of `gres.conf`."""
    cgroup: dict[str, str]
    """`cgroup.conf`, key by key."""
    accounts: tuple[dict[str, Any], ...]
    key_epoch: int
    """Which of the cluster's keys is to be in use; 1 is the first."""
    key_overlap_s: int
    """Seconds between the last signature with an old key and its end."""
    watts: WattsPlan | None
    """What jobs may draw, where Slurm holds the site's power."""

    @property
    def adopts_logins(self) -> bool:
        """Whether a login can be put into the user's job on that node (pam_slurm_adopt needs its control group)."""
        return self.cgroup["CgroupPlugin"] != "disabled"


@dataclass(frozen=True)
class SitePlan:
    """Everything that was decided about a site."""

    name: str
    domain: str
    supernet: str
    prefix_length: int
    infrastructure_address: str
    """First address of the supernet: bridge, gateway or router of the management network."""
    supernet6: str | None
    infrastructure_address6: str | None
    """First address of the IPv6 supernet."""
    timezone: str
    backup: BackupPlan | None
    resolvers: tuple[str, ...]
    """DNS servers that know the world outside."""
    time_servers: tuple[str, ...]
    """NTP servers that the controllers follow; none lets the site agree on their own clock."""
    records: dict[str, str]
    """More addresses by full name."""
    aliases: dict[str, str]
    """Machines (by name) by the full names that also stand for them."""
    vlans: tuple[VlanPlan, ...]
    access: AccessPlan
    admins: tuple[dict[str, Any], ...]
    users: tuple[dict[str, Any], ...]
    groups: tuple[dict[str, Any], ...]
    """Groups of people with their number and members."""
    directory: DirectoryPlan | None
    """Where more users come from."""
    adopt: tuple[str, ...]
    """What may be taken over from machines that were in use before."""
    changes: ChangesPlan
    kernels: dict[str, KernelPlan]
    """By SKU; none for one whose kernel is somebody else's."""
    software: dict[str, str]
    nvidia: NvidiaPlan
    """GPU software as packages."""
    pods: tuple[PodPlan, ...]
    """Pods on the floor."""
    future: tuple[PodPlan, ...]
    """Pods that are planned: their addresses and power are reserved, and nothing else knows them."""
    slurm: SlurmPlan
    storage: StoragePlan
    power: PowerPlan
    levels: PowerLevels
    """The same by level: meter, feeds, pods, and what is tightest."""
    meters: MetersPlan
    """Meters that can be asked."""
    grid_limit_w: int
    """What may be drawn at the meter."""
    grid_limits_later: dict[str, int]
    """The same by the date from which it is contracted, where it changes."""
    pue: float
    simulated: bool
    """Whether any node is simulated."""

    @cached_property
    def hosts(self) -> tuple[HostPlan, ...]:
        """All machines, pod by pod."""
        return tuple(host for pod in self.pods for host in pod.hosts)

    def with_service(self, service: str) -> tuple[HostPlan, ...]:
        """Machines that do `service`."""
        return self._by_service.get(service, ())

    @cached_property
    def _by_service(self) -> dict[str, tuple[HostPlan, ...]]:
        found: dict[str, list[HostPlan]] = defaultdict(list)
        for host in self.hosts:
            for service in host.services:
                found[service].append(host)
        return {service: tuple(hosts) for service, hosts in found.items()}

    @property
    def meter_w(self) -> int:
        """What is allocated, at the meter: IT times PUE; where Slurm holds the site, no more than it hands out."""
        return int(held_w(self.power.allocated_w, self.slurm.watts) * self.pue)

    @property
    def growth(self) -> tuple[Growth, ...]:
        """The site pod by pod as it is planned to grow, by date."""
        total, steps = self.power.nameplate_w, []
        for pod in sorted(self.future, key=lambda pod: (pod.planned_from or "", pod.key)):
            total += pod.power.nameplate_w
            date = pod.planned_from or ""
            begun = max((start for start in self.grid_limits_later if start <= date), default="")
            limit = self.grid_limits_later.get(begun, self.grid_limit_w)
            meter = int(total * self.pue)
            # where Slurm holds the site, what is above the limit waits
            steps.append(Growth(pod.key, date, total, min(meter, limit) if self.slurm.watts else meter, limit))
        return tuple(steps)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data, for `--json`."""
        return asdict(self)
