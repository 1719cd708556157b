"""Measured power beside the plan: what machines say of their draw and power limits, and what is not as planned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from gridmill.core.units import kilowatts
from gridmill.kernel.site_plan import GpuPlan, HostPlan, SitePlan

TOLERANCE_W = 0.5
"""Limits are set in whole W; drivers tell them with two decimals."""


@dataclass(frozen=True)
class GpuReading:
    """One GPU, in W; None for what its driver does not tell."""

    index: int
    draw_w: float | None = None
    limit_w: float | None = None
    min_w: float | None = None
    max_w: float | None = None
    default_w: float | None = None


@dataclass(frozen=True)
class NodeReading:
    """One machine. Nothing but a complaint when it could not be asked."""

    gpus: tuple[GpuReading, ...] = ()
    node_w: float | None = None
    """Draw of the whole machine; None where no sensor tells it."""
    node_source: str = ""
    """The sensor behind `node_w`."""
    cpu_w: float | None = None
    """Draw of the processors (RAPL), without memory, fans and losses; None where it is not told."""
    complaint: str = ""

    @property
    def gpus_w(self) -> float | None:
        """Draw of all GPUs; None without GPUs, or when one does not tell."""
        draws = [gpu.draw_w for gpu in self.gpus]
        return sum(draw for draw in draws if draw is not None) if draws and None not in draws else None


@dataclass(frozen=True)
class Findings:
    """What is not as planned on one machine."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the catalogue has otherwise. No problem of the machine, which may be right: it works and holds its limit.
    Verification in the next run fails, though, since the plan was made from the catalogue."""


def findings(host: HostPlan, reading: NodeReading) -> Findings:
    """Power limits and draw against the plan, ranges of limits against the catalogue."""
    if reading.complaint:
        return Findings()
    problems: list[str] = []
    notes: list[str] = []
    if host.gpu:
        problems += _gpu_problems(host.gpu, reading.gpus)
        notes += _range_notes(host.gpu, reading.gpus)
    if reading.node_w is not None and reading.node_w > host.draw.allocated_w:
        allocated = kilowatts(host.draw.allocated_w)
        problems.append(f"draws {kilowatts(round(reading.node_w))}, planned at most {allocated}")
    return Findings(tuple(problems), tuple(notes))


def _gpu_problems(plan: GpuPlan, gpus: tuple[GpuReading, ...]) -> Iterable[str]:
    if len(gpus) != plan.count:
        yield f"{len(gpus)} GPUs tell their power, planned {plan.count}"

    def wrong(gpu: GpuReading) -> str:
        planned = _planned_limit(plan, gpu)
        if gpu.limit_w is not None and abs(gpu.limit_w - planned) < TOLERANCE_W:
            return ""
        return f"power limit {_watts(gpu.limit_w)}, planned {_watts(planned)}"

    yield from _grouped(gpus, wrong)


def _planned_limit(plan: GpuPlan, gpu: GpuReading) -> float:
    """The cap; without one the GPU's own default, whatever the catalogue says of it."""
    if plan.cap_w is not None:
        return plan.cap_w
    return gpu.default_w if gpu.default_w is not None else plan.power_default_w


def _range_notes(plan: GpuPlan, gpus: tuple[GpuReading, ...]) -> Iterable[str]:
    expected = (plan.power_min_w, plan.power_max_w, plan.power_default_w)

    def apart(gpu: GpuReading) -> str:
        found = (gpu.min_w, gpu.max_w, gpu.default_w)
        if all(a is not None and abs(a - b) < TOLERANCE_W for a, b in zip(found, expected, strict=True)):
            return ""
        return f"power limits {_range(*found)}; the catalogue says {_range(*expected)} ({plan.entry})"

    return _grouped(gpus, apart)


def _grouped(gpus: tuple[GpuReading, ...], say: Callable[[GpuReading], str]) -> Iterable[str]:
    """What is said of GPUs, once for all of which the same is said."""
    said: dict[str, list[int]] = defaultdict(list)
    for gpu in gpus:
        if text := say(gpu):
            said[text].append(gpu.index)
    for text, indexes in said.items():
        which = "all GPUs" if len(indexes) == len(gpus) else f"GPU {', '.join(map(str, sorted(indexes)))}"
        yield f"{which}: {text}"


def _range(low: float | None, high: float | None, default: float | None) -> str:
    return f"{_watts(low)} to {_watts(high)}, {_watts(default)} by default"


def _watts(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g} W"


@dataclass(frozen=True)
class MeasuredSum:
    """Readings of several machines together."""

    nodes: int = 0
    """Machines in service."""
    silent: int = 0
    """Of these, how many did not answer."""
    gpus_w: float | None = None
    """Draw of the GPUs that told it; None when none did."""
    nodes_w: float | None = None
    """Draw of the machines; None unless every one told it."""


def measured_sum(plan: SitePlan, readings: Mapping[str, NodeReading], keep: Callable[[HostPlan], bool]) -> MeasuredSum:
    """The sum over the machines in service that `keep` wants."""
    hosts = [host for host in plan.hosts if host.maintenance is None and keep(host)]
    found = [readings.get(host.name, NodeReading(complaint="not asked")) for host in hosts]
    gpus = [reading.gpus_w for reading in found if reading.gpus_w is not None]
    nodes = [reading.node_w for reading in found if reading.node_w is not None]
    return MeasuredSum(
        nodes=len(hosts),
        silent=sum(bool(reading.complaint) for reading in found),
        gpus_w=sum(gpus) if gpus else None,
        nodes_w=sum(nodes) if nodes and len(nodes) == len(hosts) else None,
    )
