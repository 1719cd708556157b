"""What a catalogue file may say. Every number's origin stands in `sources` of its file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gridmill.model.base import LineText, Part, SkuId
from gridmill.units import Bytes, Watts

Confidence = Literal["data-sheet", "documented", "measured", "unverified", "simulated"]


class Source(Part):
    """Where the numbers of a field come from."""

    of: LineText
    """Field or fields, such as `power.nameplate`."""
    from_: Annotated[LineText, Field(alias="from")]
    """Document, log or measurement."""
    confidence: Confidence
    """`unverified`: from memory, check before use."""


class GpuPower(Part):
    """Range of the power limit that the driver accepts, and draw, per GPU."""

    min: Watts
    """Lowest power limit."""
    max: Watts
    """Highest power limit; also the default."""
    idle: Watts
    """Draw without work."""


class Gpu(Part):
    """A GPU."""

    id: SkuId
    vendor: LineText
    model: LineText
    """Name as NVML reports it."""
    gres_type: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,20}$")]
    """Slurm's type of the gres; part of NVML's name in lower case."""
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


class NodePower(Part):
    """Power of the whole node."""

    nameplate: Watts
    """What must be provisioned when no cap is in force."""
    typical: Watts
    """Observed under load."""
    idle: Watts
    """Powered on without work."""


class Platform(Part):
    """What the operating system of the node allows; roles decide by it, they never guess."""

    kernel_modules: Literal["dkms", "none"] = "dkms"
    """`none`: a container or a machine whose kernel takes no modules."""
    cgroup: Literal["v2", "none"] = "v2"
    """`none`: no delegated control groups, so Slurm tracks processes without them."""


class Node(Part):
    """A server."""

    id: SkuId
    kind: Literal["gpu", "cpu", "management", "storage"]
    model: LineText
    units: Annotated[int, Field(ge=1, le=63)]
    """Height in rack units."""
    cpu: NodeCpu
    memory: Bytes
    gpu: NodeGpu | None = None
    power: NodePower
    platform: Platform = Platform()
    simulated: bool = False
    """Whether the node only exists in a virtual site."""
    sources: Annotated[list[Source], Field(min_length=1)]


class SoftwareSet(Part):
    """What one source offers on one operating system, and what goes together."""

    id: SkuId
    os: LineText
    drivers: Annotated[list[str], Field(min_length=1)]
    nccl: Annotated[list[str], Field(min_length=1)]
    slurm: Annotated[list[str], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]
