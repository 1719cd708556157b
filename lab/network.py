"""The lab's network: one bridge, and behind it a route that lets nothing out."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.processes import run

_INTERFACE_NAME_LENGTH = 15
_ROUTE_PROTOCOL = "198"  # marks our route among the host's
_ROUTE_METRIC = "4278198272"
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

    @property
    def interface(self) -> IPv4Interface:
        """Address with prefix length."""
        return IPv4Interface(f"{self.address}/{IPv4Network(self.supernet).prefixlen}")


def _ip_json(*arguments: str) -> list[dict[str, Any]]:
    text = run(["ip", "-json", *arguments])
    return list(json.loads(text)) if text.strip() else []


def find_clash(
    bridge: Bridge,
    addresses: list[dict[str, Any]],
    routes: list[dict[str, Any]],
) -> str | None:
    """Who on this host holds a part of the supernet already, going by `ip -json` output; None when nobody does."""
    ours = IPv4Network(bridge.supernet)
    for link in addresses:
        for entry in link.get("addr_info", []):
            if entry.get("family") != "inet":
                continue
            held = IPv4Interface(f"{entry['local']}/{entry['prefixlen']}")
            if not held.network.overlaps(ours):
                continue
            if link["ifname"] == bridge.name and link.get("ifalias", bridge.owner) == bridge.owner:
                continue
            alias = f" ({link['ifalias']})" if link.get("ifalias") else ""
            return f"address {held} on {link['ifname']}{alias}"
    for route in routes:
        if route.get("type", "unicast") in _LOCAL_TYPES or route["dst"] == "default":
            continue
        network = IPv4Network(route["dst"], strict=False)
        if network.prefixlen <= _DEFAULT_ROUTE_BITS or not network.overlaps(ours):
            continue
        # an unreachable route of a lab that is down holds nothing; one that is up shows by its bridge's address
        idle = str(route.get("protocol")) == _ROUTE_PROTOCOL and route.get("type") == "unreachable"
        own = route.get("dev") == bridge.name or idle
        if not own:
            way = f"via {route['dev']}" if "dev" in route else str(route.get("type", "unicast"))
            return f"route {network} {way}"
    return None


def check_no_clash(bridge: Bridge) -> None:
    """LabError naming the holder when the supernet, or the bridge's name, belongs to somebody else."""
    addresses = _ip_json("-details", "addr")
    for link in addresses:
        if link["ifname"] == bridge.name and link.get("ifalias") != bridge.owner:
            holder = link.get("ifalias") or "an interface that the lab did not make"
            raise LabError(f"the name {bridge.name} is taken by: {holder}", "end that lab first, or rename the site")
    holder = find_clash(bridge, addresses, _ip_json("-4", "route", "show", "table", "all"))
    if holder:
        raise LabError(
            f"the lab's supernet {bridge.supernet} clashes with {holder}",
            "end the lab that holds it (python -m lab down there), or give this site another supernet",
        )


def bring_up(bridge: Bridge) -> bool:
    """Make bridge and route as far as they are missing; True when something had to be made.

    The unreachable route comes first: from then on a packet for a machine that is down stays on this host.
    """
    check_no_clash(bridge)
    changed = False
    if not _route_exists(bridge):
        run(["ip", "route", "add", *_unreachable(bridge)])
        changed = True
    existing = {link["ifname"]: link for link in _ip_json("-details", "addr")}
    if bridge.name not in existing:
        # a MAC address of its own: else the bridge takes a port's, and changes it whenever that machine restarts
        link = ["name", bridge.name, "address", mac_address(bridge.name, "bridge"), "type", "bridge"]
        run(["ip", "link", "add", *link, "stp_state", "0", "forward_delay", "0"])
        run(["ip", "link", "set", "dev", bridge.name, "alias", bridge.owner])
        changed = True
    for path, value in (
        (f"/proc/sys/net/ipv6/conf/{bridge.name}/disable_ipv6", "1"),
        (f"/proc/sys/net/ipv4/conf/{bridge.name}/forwarding", "0"),
    ):
        with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
            Path(path).write_text(value)
    held = existing.get(bridge.name, {}).get("addr_info", [])
    if not any(entry.get("local") == bridge.address for entry in held):
        run(["ip", "addr", "add", str(bridge.interface), "dev", bridge.name])
        changed = True
    run(["ip", "link", "set", "dev", bridge.name, "up"])
    return changed


def take_down(bridge: Bridge) -> None:
    """Remove our bridge; nothing happens to what another made.

    The unreachable route stays (until the host restarts): whoever runs something against a site that is down must not
    reach a stranger's machine by the default route.
    """
    for link in _ip_json("link"):
        if link["ifname"] == bridge.name and link.get("ifalias") == bridge.owner:
            run(["ip", "link", "delete", "dev", bridge.name, "type", "bridge"])


def is_up(bridge: Bridge) -> bool:
    """Whether the bridge stands with its address."""
    return any(
        link["ifname"] == bridge.name
        and any(entry.get("local") == bridge.address for entry in link.get("addr_info", []))
        for link in _ip_json("-details", "addr")
    )


def _unreachable(bridge: Bridge) -> list[str]:
    return ["unreachable", bridge.supernet, "metric", _ROUTE_METRIC, "proto", _ROUTE_PROTOCOL]


def _route_exists(bridge: Bridge) -> bool:
    routes = _ip_json("-4", "route", "show", "type", "unreachable")
    return any(route["dst"] == bridge.supernet and str(route.get("protocol")) == _ROUTE_PROTOCOL for route in routes)
