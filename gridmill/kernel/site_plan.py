"""The plan of a site: plain, frozen data that everything after it prints, compares or carries out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gridmill.core.sections.changes import Changes
from gridmill.power import Draw
from gridmill.power.levels import PowerLevels
from gridmill.power.scheduled import ScheduledPower, held_w

if TYPE_CHECKING:
    from gridmill.kernel.feature import Feature

P = TypeVar("P")


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
    """Why it is being worked on, and skipped by every run; None when it is in service."""


@dataclass(frozen=True)
class EquipmentPlan:
    """What stands in a rack and is not a machine: a switch, a power shelf, a cooling unit."""

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
    """What the caps guarantee; the nameplate without caps."""
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
    """Date from which a pod is expected that is not installed yet; None for one that is."""
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
class RolloutPlan:
    """How nodes in service are changed when that would affect jobs."""

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
    vlans: tuple[VlanPlan, ...]
    access: AccessPlan
    adopt: tuple[str, ...]
    """What may be taken over from machines that were in use before."""
    changes: ChangesPlan
    pods: tuple[PodPlan, ...]
    """Installed pods."""
    future: tuple[PodPlan, ...]
    """Pods that are planned: their addresses and power are reserved, and nothing else knows them."""
    power: PowerPlan
    levels: PowerLevels
    """The same by level: meter, feeds, pods, and what is tightest."""
    grid_limit_w: int
    """What may be drawn at the meter."""
    grid_limits_later: dict[str, int]
    """The same by the date from which it is contracted, where it changes."""
    pue: float
    simulated: bool
    """Whether any node is simulated."""
    scheduled: ScheduledPower | None = None
    """What jobs may draw, where Slurm holds the site's power."""
    plans: Mapping[str, Any] = field(default_factory=dict)
    """Plans of features by name; None for one that the site does not use. `of` and `get` read them by type."""
    features: tuple[Feature, ...] = field(default=(), compare=False, repr=False)
    """The features that it was planned with."""

    def get(self, kind: type[P]) -> P | None:
        """The plan of this type; None where the site does not use that feature."""
        found: P | None = self._by_type.get(kind)
        return found

    def of(self, kind: type[P]) -> P:
        """The plan of this type. LookupError where the site has none."""
        found = self.get(kind)
        if found is None:
            raise LookupError(f"the site has no {kind.__name__}")
        return found

    def with_plan(self, name: str, plan: Any) -> SitePlan:
        """The same site with another plan of the feature of this name."""
        return replace(self, plans={**self.plans, name: plan})

    @cached_property
    def _by_type(self) -> dict[type, Any]:
        return {type(plan): plan for plan in self.plans.values() if plan is not None}

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
        return int(held_w(self.power.allocated_w, self.scheduled) * self.pue)

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
            steps.append(Growth(pod.key, date, total, min(meter, limit) if self.scheduled else meter, limit))
        return tuple(steps)

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data, for `--json`: what every site has, then a key for every feature with a plan."""
        own = {
            one.name: _plain(getattr(self, one.name)) for one in fields(self) if one.name not in {"plans", "features"}
        }
        return own | {name: _plain(plan) for name, plan in self.plans.items()}


def _plain(value: Any) -> Any:
    """Data classes as mappings, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value
