"""The lab's network: one bridge, and behind it a route that lets nothing out."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network
from pathlib import Path
from typing import Any

from gridmill.lab.errors import LabError
from gridmill.lab.processes import run

INSIDE = "host0"
"""What systemd-nspawn calls a machine's end of its cable."""
_PORT_PREFIX = "vb-"  # and how it begins the name of this host's end
_INTERFACE_NAME_LENGTH = 15
_ROUTE_PROTOCOL = "198"  # marks our route among the host's
_ROUTE_METRIC = "4278198272"
_FAMILIES = {4: "inet", 6: "inet6"}
_DEFAULT_ROUTE_BITS = 1  # a VPN writes the default route as two halves
_LOCAL_TYPES = {"local", "broadcast", "multicast", "anycast"}


def bridge_name(site: str) -> str:
    """Name of a site's bridge: readable when it fits into an interface's name, else made unique by a digest."""
    name = f"gm-{site}"
    if len(name) <= _INTERFACE_NAME_LENGTH:
        return name
    return f"{name[:10]}-{hashlib.sha256(site.encode()).hexdigest()[:4]}"


def mac_address(site: str, machine: str) -> str:
    """Locally administered MAC address that follows from the machine's name."""
    octets = hashlib.sha256(f"{site}/{machine}".encode()).digest()[:5]
    return ":".join(["02", *(f"{octet:02x}" for octet in octets)])


@dataclass(frozen=True)
class Bridge:
    """The bridge of one site; `owner` is written to it, so that two labs can tell their bridges apart."""

    name: str
    address: str
    supernet: str
    owner: str
    address6: str | None = None
    supernet6: str | None = None

    @property
    def interface(self) -> str:
        """Address with prefix length."""
        return str(self.interfaces[0])

    @property
    def interfaces(self) -> list[IPv4Interface | IPv6Interface]:
        """Its address of each kind, with prefix length."""
        pairs = ((self.address, self.supernet), (self.address6, self.supernet6))
        return [
            ip_interface(f"{address}/{ip_network(supernet).prefixlen}")
            for address, supernet in pairs
            if address and supernet
        ]

    @property
    def supernets(self) -> list[str]:
        """The site's addresses, in CIDR form."""
        return [str(interface.network) for interface in self.interfaces]


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    text = run(["ip", "-json", *arguments])
    return list(json.loads(text)) if text.strip() else []


def find_clash(
    bridge: Bridge,
    addresses: list[dict[str, Any]],
    routes: list[dict[str, Any]],
) -> str | None:
    """Who on this host holds a part of a supernet already, going by `ip -json` output; None when nobody does."""
    clashes = (
        _address_clash(bridge, interface, addresses) or _route_clash(bridge, interface, routes)
        for interface in bridge.interfaces
    )
    return next((clash for clash in clashes if clash), None)


def _address_clash(bridge: Bridge, ours: IPv4Interface | IPv6Interface, addresses: list[dict[str, Any]]) -> str | None:
    for link in addresses:
        for entry in link.get("addr_info", []):
            if entry.get("family") != _FAMILIES[ours.version]:
                continue
            held = ip_interface(f"{entry['local']}/{entry['prefixlen']}")
            if not _overlap(held, ours):
                continue
            if link["ifname"] == bridge.name and link.get("ifalias", bridge.owner) == bridge.owner:
                continue
            alias = f" ({link['ifalias']})" if link.get("ifalias") else ""
            return f"address {held} on {link['ifname']}{alias}"
    return None


def _route_clash(bridge: Bridge, ours: IPv4Interface | IPv6Interface, routes: list[dict[str, Any]]) -> str | None:
    for route in routes:
        if route.get("type", "unicast") in _LOCAL_TYPES or route["dst"] == "default":
            continue
        held = ip_interface(route["dst"])
        if held.network.prefixlen <= _DEFAULT_ROUTE_BITS or not _overlap(held, ours):
            continue
        # an unreachable route of a lab that is down holds nothing; one that is up shows by its bridge's address
        idle = str(route.get("protocol")) == _ROUTE_PROTOCOL and route.get("type") == "unreachable"
        own = route.get("dev") == bridge.name or idle
        if not own:
            way = f"via {route['dev']}" if "dev" in route else str(route.get("type", "unicast"))
            return f"route {held.network} {way}"
    return None


def _overlap(one: IPv4Interface | IPv6Interface, other: IPv4Interface | IPv6Interface) -> bool:
    return one.version == other.version and one.network.overlaps(other.network)


def check_no_clash(bridge: Bridge) -> None:
    """LabError naming the holder when a supernet, or the bridge's name, belongs to somebody else."""
    addresses = _ip_json("-details", "addr")
    for link in addresses:
        if link["ifname"] == bridge.name and link.get("ifalias") != bridge.owner:
            holder = link.get("ifalias") or "an interface that the lab did not make"
            raise LabError(f"the name {bridge.name} is taken by: {holder}", "end that lab first, or rename the site")
    routes = [
        route
        for interface in bridge.interfaces
        for route in _ip_json(f"-{interface.version}", "route", "show", "table", "all")
    ]
    holder = find_clash(bridge, addresses, routes)
    if holder:
        raise LabError(
            f"the lab's supernet {' or '.join(bridge.supernets)} clashes with {holder}",
            "end the lab that holds it (python -m gridmill.lab down there), or give this site another supernet",
        )


def bring_up(bridge: Bridge) -> bool:
    """Make bridge and routes as far as they are missing; True when something had to be made.

    The unreachable routes come first: from then on a packet for a machine that is down stays on this host.
    """
    check_no_clash(bridge)
    changed = False
    for interface in bridge.interfaces:
        if not _route_exists(interface):
            run(["ip", f"-{interface.version}", "route", "add", *_unreachable(interface)])
            changed = True
    existing = {link["ifname"]: link for link in _ip_json("-details", "addr")}
    if bridge.name not in existing:
        # a MAC address of its own: else the bridge takes a port's, and changes it whenever that machine restarts
        link = ["name", bridge.name, "address", mac_address(bridge.name, "bridge"), "type", "bridge"]
        run(["ip", "link", "add", *link, "stp_state", "0", "forward_delay", "0"])
        run(["ip", "link", "set", "dev", bridge.name, "alias", bridge.owner])
        changed = True
    _settle(bridge)
    held = {entry.get("local") for entry in existing.get(bridge.name, {}).get("addr_info", [])}
    for interface in bridge.interfaces:
        if str(interface.ip) not in held:
            run(["ip", "addr", "add", str(interface), "dev", bridge.name])
            changed = True
    run(["ip", "link", "set", "dev", bridge.name, "up"])
    return changed


def _settle(bridge: Bridge) -> None:
    """Kernel settings of the bridge: it forwards nothing, and has no IPv6 address but a planned one."""
    conf = Path("/proc/sys/net/ipv6/conf") / bridge.name
    settings = {
        Path("/proc/sys/net/ipv4/conf") / bridge.name / "forwarding": "0",
        conf / "disable_ipv6": "0" if bridge.supernet6 else "1",
        conf / "addr_gen_mode": "1",  # no link-local address
        conf / "accept_ra": "0",
        conf / "accept_dad": "0",  # the first machine is asked at once, and nobody else is on this bridge
        conf / "forwarding": "0",
    }
    for path, value in settings.items():
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            path.write_text(value)


def take_down(bridge: Bridge) -> None:
    """Remove our bridge; nothing happens to what another made.

    The unreachable routes stay (until the host restarts): whoever runs something against a site that is down must not
    reach a stranger's machine by the default route.
    """
    for link in _ip_json("link"):
        if link["ifname"] == bridge.name and link.get("ifalias") == bridge.owner:
            run(["ip", "link", "delete", "dev", bridge.name, "type", "bridge"])


def is_up(bridge: Bridge) -> bool:
    """Whether the bridge stands with its addresses."""
    wanted = {str(interface.ip) for interface in bridge.interfaces}
    return any(
        link["ifname"] == bridge.name and wanted <= {entry.get("local") for entry in link.get("addr_info", [])}
        for link in _ip_json("-details", "addr")
    )


def _unreachable(interface: IPv4Interface | IPv6Interface) -> list[str]:
    return ["unreachable", str(interface.network), "metric", _ROUTE_METRIC, "proto", _ROUTE_PROTOCOL]


def _route_exists(interface: IPv4Interface | IPv6Interface) -> bool:
    routes = _ip_json(f"-{interface.version}", "route", "show", "type", "unreachable")
    supernet = str(interface.network)
    return any(route["dst"] == supernet and str(route.get("protocol")) == _ROUTE_PROTOCOL for route in routes)


def port_of(leader: int) -> str:
    """This host's end of the cable of a machine, by its first process."""
    inside = json.loads(run(["nsenter", f"--target={leader}", "--net", "ip", "-json", "link", "show", "dev", INSIDE]))
    index = inside[0]["link_index"]
    for link in _ip_json("link"):
        if link["ifindex"] == index:
            return str(link["ifname"])
    raise LabError(f"process {leader}: no interface of this host is the other end of its machine's cable")


def remove_ports(bridge: Bridge, kept: set[str]) -> None:
    """Remove the ends of cables of machines that were killed: the kernel does so too, but some time later.

    Until then their names are taken, and the same machines can't boot.
    """
    for link in _ip_json("link", "show", "master", bridge.name):
        name = str(link["ifname"])
        if name.startswith(_PORT_PREFIX) and name not in kept:
            try:
                run(["ip", "link", "delete", "dev", name])
            except LabError:
                if (Path("/sys/class/net") / name).exists():  # else the kernel was quicker
                    raise
