"""What is racked: the part of a site's plan that the crew of a data centre would need."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gridmill.lab.errors import LabError
from gridmill.operations.directories import state_directory

if TYPE_CHECKING:
    from gridmill.kernel.site_plan import SitePlan


_MIB = 2**20


@dataclass(frozen=True)
class RackedGpus:
    """The simulated GPUs of one machine; power in watts, memory in MiB of one GPU."""

    model: str
    count: int
    memory_mib: int
    power_min_w: int
    power_max_w: int
    power_default_w: int
    nvlinks: int


@dataclass(frozen=True)
class RackedHost:
    """One machine as it is to stand in the rack."""

    name: str
    fqdn: str
    address: str
    serial: str | None
    gpus: RackedGpus | None
    address6: str | None = None
    mac: str | None = None


@dataclass(frozen=True)
class RackedSite:
    """All machines of one site, and the network that they hang on."""

    name: str
    domain: str
    supernet: str
    bridge_address: str
    bootstrap_user: str
    identity_file: str
    known_hosts_file: str
    hosts: tuple[RackedHost, ...]
    supernet6: str | None = None
    bridge_address6: str | None = None
    meters: dict[str, Any] = field(default_factory=dict)
    """Simulated meters and the loads behind them, as `racked_meters` made it."""

    @property
    def prefix_length(self) -> int:
        """Prefix length of the network that all machines share."""
        return IPv4Network(self.supernet).prefixlen

    @property
    def prefix_length6(self) -> int:
        """The same of the IPv6 network; 0 without one."""
        return IPv6Network(self.supernet6).prefixlen if self.supernet6 else 0

    def check(self) -> None:
        """LabError when the rack contradicts itself (an address outside the supernet, a name used twice)."""
        network = IPv4Network(self.supernet)
        seen: dict[str, str] = {self.bridge_address: "the lab's bridge"}
        for host in self.hosts:
            if IPv4Address(host.address) not in network:
                raise LabError(f"{host.name}: address {host.address} lies outside the supernet {network}")
            if host.address in seen:
                raise LabError(f"{host.name}: address {host.address} already belongs to {seen[host.address]}")
            seen[host.address] = host.name
            if host.address6 and (not self.supernet6 or IPv6Address(host.address6) not in IPv6Network(self.supernet6)):
                raise LabError(f"{host.name}: address {host.address6} lies outside the supernet {self.supernet6}")
        for key, meter in self.meters.get("meters", {}).items():
            address = meter["read"]["address"]
            if ":" in address or IPv4Address(address) not in network:
                raise LabError(f"meter {key}: address {address} is no IPv4 address of the supernet {network}")
            if address in seen:
                raise LabError(f"meter {key}: address {address} already belongs to {seen[address]}")
        names = [host.name for host in self.hosts]
        if len(set(names)) != len(names):
            raise LabError("two machines of the rack have one name")


def from_plan(plan: SitePlan) -> RackedSite:
    """Take from a site's plan what the lab needs: its simulated machines; LabError when it has none."""
    hosts = tuple(
        RackedHost(
            name=host.name,
            fqdn=host.fqdn,
            address=str(host.address),
            address6=host.address6,
            serial=host.serial,
            mac=host.mac,
            gpus=None
            if host.gpu is None
            else RackedGpus(
                model=host.gpu.model,
                count=host.gpu.count,
                memory_mib=host.gpu.memory_bytes // _MIB,
                power_min_w=host.gpu.power_min_w,
                power_max_w=host.gpu.power_max_w,
                power_default_w=host.gpu.power_default_w,
                nvlinks=host.gpu.nvlinks,
            ),
        )
        for host in plan.hosts
        if host.simulated
    )
    if not hosts:
        raise LabError(
            f"site {plan.name} has no simulated machine",
            "the lab racks simulated machines only; is this the stack?",
        )
    return RackedSite(
        name=plan.name,
        domain=plan.domain,
        supernet=str(plan.supernet),
        bridge_address=str(plan.infrastructure_address),
        bootstrap_user=plan.access.bootstrap_user,
        identity_file=_expand(plan.access.identity_file),
        known_hosts_file=_expand(plan.access.known_hosts_file),
        hosts=hosts,
        supernet6=plan.supernet6,
        bridge_address6=plan.infrastructure_address6,
    )


def _expand(path: str) -> str:
    return str(Path(path.replace("{state}", str(state_directory()))).expanduser())


def load_rack(stack: Path) -> RackedSite:
    """Rack of a stack definition (or of a rack saved as JSON); LabError or ProblemsError when it is not valid."""
    if not stack.exists():
        raise LabError(f"{stack} does not exist", "run from the checkout, or name the file with --stack")
    if stack.suffix == ".json":
        rack = decode(json.loads(stack.read_text()))
    else:
        from gridmill.lab.metered_load import racked_meters  # noqa: PLC0415 - status and down work without a valid stack
        from gridmill.load import load_definition  # noqa: PLC0415 - status and down work without a valid stack
        from gridmill.plan import plan_site  # noqa: PLC0415 - status and down work without a valid stack

        definition = load_definition(stack)
        plan = plan_site(definition)
        rack = dataclasses.replace(from_plan(plan), meters=racked_meters(definition, plan))
    rack.check()
    return rack


_Part = TypeVar("_Part", RackedGpus, RackedHost, RackedSite)


def encode(rack: RackedSite) -> dict[str, Any]:
    """The rack as plain data for JSON."""
    return dataclasses.asdict(rack)


def decode(data: dict[str, Any]) -> RackedSite:
    """The rack from plain data, as `encode` made it, maybe of another version: updates must not strand machines."""
    hosts = tuple(
        _made(RackedHost, {**host, "gpus": _made(RackedGpus, host["gpus"]) if host.get("gpus") else None})
        for host in data["hosts"]
    )
    return _made(RackedSite, {**data, "hosts": hosts})


def _made(kind: type[_Part], data: dict[str, Any]) -> _Part:
    """An object of fields that both know; what the data does not have and has no default is None."""
    known = {one.name: one for one in dataclasses.fields(kind)}
    values: dict[str, Any] = {name: value for name, value in data.items() if name in known}
    for name, one in known.items():
        if name not in values and one.default is one.default_factory is dataclasses.MISSING:
            values[name] = None
    return kind(**values)
