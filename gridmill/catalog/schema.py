"""What a catalogue file may say. Every number's origin stands in `sources` of its file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.catalog.sources import Source
from gridmill.core.base import LineText, Part, SkuId
from gridmill.core.units import Bytes, VoltAmperes, Watts
from gridmill.core.versions import Fingerprint, OriginName, SourceUrl, Version


class GpuPower(Part):
    """Range of the power limit that the driver accepts, and draw, per GPU."""

    min: Watts
    """Lowest power limit."""
    max: Watts
    """Highest power limit."""
    idle: Watts
    """Draw without work."""
    default: Watts | None = None
    """Power limit after a start; the highest unless said."""

    @property
    def default_w(self) -> int:
        """Power limit after a start, in W."""
        return self.max if self.default is None else self.default


Architecture = Literal["volta", "turing", "ampere", "ada", "hopper", "blackwell", "blackwell-ultra"]
"""Generation of a GPU; what goes with it stands in compatibility/."""

KernelFlavour = Literal["open", "proprietary"]
"""Flavour of the driver's kernel modules."""


class Gpu(Part):
    """A GPU."""

    id: SkuId
    vendor: LineText
    model: LineText
    """Name as NVML reports it."""
    gres_type: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")]
    """Slurm's type of the gres; part of NVML's name in lower case."""
    architecture: Architecture
    minimum_driver: Version
    """Oldest driver that runs it."""
    memory: Bytes
    nvlinks: Annotated[int, Field(ge=0, le=36)]
    """NVLink links per GPU."""
    power: GpuPower
    sources: Annotated[list[Source], Field(min_length=1)]


class NodeCpu(Part):
    """Processors, as Slurm counts them."""

    sockets: Annotated[int, Field(ge=1, le=8)]
    cores_per_socket: Annotated[int, Field(ge=1, le=256)]
    threads_per_core: Annotated[int, Field(ge=1, le=8)]

    @property
    def threads(self) -> int:
        """Hardware threads: Slurm's `CPUs`."""
        return self.sockets * self.cores_per_socket * self.threads_per_core


class NodeGpu(Part):
    """GPUs of a node."""

    type: SkuId
    """Identifier in gpus/."""
    count: Annotated[int, Field(ge=1, le=16)]


class PowerSupplies(Part):
    """Power supplies of a node; they share its load evenly."""

    count: Annotated[int, Field(ge=1, le=24)]
    """Supplies, spread evenly over the feeds of the rack."""
    each: Watts
    """Power that one can give."""
    needed: Annotated[int, Field(ge=1, le=24)] = 1
    """Fewest supplies with which the node runs at all."""
    redundant: Annotated[int, Field(ge=0, le=23)] = 1
    """Supplies that can be lost at full power: 1 of `5 + 1`."""


class NodePower(Part):
    """Power of a whole node, or of another piece of equipment."""

    nameplate: Watts
    """What must be provisioned without a cap."""
    typical: Watts
    """Observed under load."""
    idle: Watts
    """Powered on without work."""


class Platform(Part):
    """What the operating system of the node allows; roles decide by it, they never guess."""

    kernel_modules: Literal["dkms", "prebuilt", "none"] = "dkms"
    """How the driver's modules come: built on the node for its kernel, or built and signed by the source of packages.
    `none`: a container or a machine whose kernel takes no modules."""
    cgroup: Literal["v2", "none"] = "v2"
    """`none`: no delegated control groups, so Slurm tracks processes without them."""
    clock: Literal["own", "host"] = "own"
    """`host`: the clock belongs to the machine underneath (a container), and time is compared but never set."""
    serial_file: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]{1,200}$")] = "/sys/class/dmi/id/product_serial"
    """File in which the machine tells its serial number; the firmware's (DMI) unless it has none."""
    file_systems: Literal["kernel", "fuse", "none"] = "kernel"
    """`kernel`: NFS and CephFS of a kernel of its own, and FUSE; `fuse`: a container that has /dev/fuse only."""


class Node(Part):
    """A server."""

    id: SkuId
    kind: Literal["gpu", "cpu", "login", "management", "storage"]
    model: LineText
    units: Annotated[int, Field(ge=1, le=63)]
    """Height in rack units."""
    cpu: NodeCpu
    memory: Bytes
    gpu: NodeGpu | None = None
    power: NodePower
    fabric_manager: bool = False
    """Whether its GPUs hang on NVSwitches, which NVIDIA's Fabric Manager must set up before any GPU program runs."""
    supplies: PowerSupplies | None = None
    """Power supplies; unknown ones count as one per feed, each of which could carry the node."""
    bus_bar: bool = False
    """Whether it hangs on its rack's bus bar, which power shelves feed: it has no supplies and no cord of its own."""
    liquid: bool = False
    """Whether it needs liquid to be cooled."""
    liquid_share: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    """Share of its heat that the liquid takes, where a pod's liquid cooling is planned; the rest goes into the air.
    Where it is not known, all heat of what needs liquid counts on both sides."""
    platform: Platform = Platform()
    simulated: bool = False
    """Whether the node only exists in a virtual site."""
    per_rack: Annotated[int, Field(ge=1, le=63)] | None = None
    """How many a rack has where the vendor builds it as a whole; `gridmill size` counts racks with it."""
    sources: Annotated[list[Source], Field(min_length=1)]


class ModulePackages(Part):
    """Packages with one flavour of the kernel modules; none means that it is not offered that way."""

    dkms: Annotated[dict[str, str], Field(default_factory=dict)]
    prebuilt: Annotated[dict[str, str], Field(default_factory=dict)]


class PackageNames(Part):
    """What the packages of a source are called: a version pattern by name.

    In patterns and names `{driver}`, `{branch}` (550 of 550.163.01), `{nccl}`, `{cuda}` and `{cuda-}` (12-4 of 12.4)
    stand for the chosen versions; an empty pattern takes any version.
    """

    driver: dict[str, str]
    """User side of the driver."""
    modules: dict[KernelFlavour, ModulePackages]
    """Kernel modules by flavour."""
    headers: Annotated[dict[str, str], Field(default_factory=dict)]
    """What modules are built with on the node."""
    persistence: dict[str, str]
    """The persistence daemon."""
    fabric_manager: Annotated[dict[str, str], Field(default_factory=dict)]
    """Fabric Manager; none means that it is not offered."""
    subnet_manager: Annotated[dict[str, str], Field(default_factory=dict)]
    """NVLink subnet manager, which systems with Blackwell's NVSwitches need too."""
    pinned: Annotated[list[str], Field(min_length=1)]
    """What belongs to the driver, as the packages of an APT preference: never at another version than the driver's."""
    nccl: dict[str, str]
    cuda: dict[str, str]
    """The toolkit of one version."""


class Repository(Part):
    """A vendor's public package repository."""

    url: SourceUrl
    suites: Annotated[list[str], Field(min_length=1)]
    components: Annotated[list[str], Field(default_factory=list)]
    fingerprint: Fingerprint
    """Of the key that signs it."""
    origin: OriginName
    """`Origin` in its Release file."""


class Equipment(Part):
    """What draws power in a rack and is not converged."""

    id: SkuId
    kind: Literal["switch", "power-shelf", "cooling"]
    model: LineText
    units: Annotated[int, Field(ge=0, le=63)]
    """Height in rack units; 0 for what hangs on a rack's door or stands beside it."""
    power: NodePower
    supplies: PowerSupplies | None = None
    """Power supplies; unknown ones count as one per feed."""
    bus_bar: bool = False
    """Whether it hangs on its rack's bus bar, as a power shelf itself does."""
    output: Watts | None = None
    """What a power shelf gives to its rack's bus bar. It has one cord of three phases."""
    liquid: bool = False
    """Whether it needs liquid to be cooled."""
    liquid_share: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    """Share of its heat that the liquid takes, where a pod's liquid cooling is planned."""
    sources: Annotated[list[Source], Field(min_length=1)]


class CoolingUnit(Equipment):
    """A cooling unit. Its own draw is part of the site's PUE, unless it stands as equipment in a rack."""

    heat: Watts
    """Heat that it removes."""
    loop: bool = False
    """Whether it brings liquid to machines, as a CDU does; the others cool air."""


class UpsModule(Part):
    """A module of an uninterruptible power supply."""

    id: SkuId
    model: LineText
    module: VoltAmperes
    """Apparent power."""
    sources: Annotated[list[Source], Field(min_length=1)]


class Pdu(Part):
    """A power distribution unit of a rack."""

    id: SkuId
    model: LineText
    phases: Literal[1, 3]
    current: Annotated[int, Field(ge=1, le=400)]
    """Rated current per phase in A."""
    sources: Annotated[list[Source], Field(min_length=1)]


class SoftwareSet(Part):
    """What one source offers on one operating system, and how its packages are called."""

    id: SkuId
    os: LineText
    drivers: Annotated[list[Version], Field(min_length=1)]
    nccl: Annotated[list[Version], Field(min_length=1)]
    cuda: Annotated[list[Version], Field(default_factory=list)]
    """Versions of the CUDA toolkit."""
    side_by_side: bool = True
    """Whether several versions of the toolkit can be installed on one machine."""
    slurm: Annotated[list[Version], Field(default_factory=list)]
    packages: PackageNames
    repository: Repository | None = None
    """Where the packages come from, unless the machine has that source from the start."""
    provides: Annotated[list[str], Field(default_factory=list)]
    """What a repository may be used for, as the packages of an APT preference; all else that it holds stays out."""
    sources: Annotated[list[Source], Field(min_length=1)]


class ArchitectureNeeds(Part):
    """What a generation of GPUs asks for."""

    kernel_modules: Annotated[list[KernelFlavour], Field(min_length=1)]
    """Flavours that support it, the preferred one first."""
    cuda_from: Version
    """First toolkit that can build for it."""
    cuda_before: Version | None = None
    """First toolkit that no longer can."""


class Compatibility(Part):
    """Which drivers, toolkits and generations of GPUs go together."""

    id: SkuId
    architectures: dict[Architecture, ArchitectureNeeds]
    cuda: dict[Version, Version]
    """Oldest driver by toolkit."""
    open_from: Version
    """First driver whose open kernel modules are fit for data centres."""
    sources: Annotated[list[Source], Field(min_length=1)]
