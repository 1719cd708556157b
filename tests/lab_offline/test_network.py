from __future__ import annotations

from typing import Any

import pytest

from gridmill.lab import network
from gridmill.lab.errors import LabError
from gridmill.lab.network import Bridge, bridge_name, bring_up, find_clash, mac_address

BRIDGE = Bridge("gm-lab", "198.18.0.1", "198.18.0.0/20", "Gridmill lab 'lab' of /state/lab")
DEFAULT = {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"}


def link(name: str, address: str, prefix: int, alias: str | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "ifname": name,
        "addr_info": [{"family": "inet", "local": address, "prefixlen": prefix}],
    }
    return {**entry, "ifalias": alias} if alias else entry


def test_bridge_names_fit_and_differ() -> None:
    assert bridge_name("lab") == "gm-lab"
    long = [bridge_name(f"amsterdam-north-{index}") for index in range(3)]
    assert all(len(name) <= 15 for name in long)
    assert len(set(long)) == 3


def test_mac_address_is_local_unicast_stable_and_of_the_site() -> None:
    mac = mac_address("lab", "pod-a-r1-u01")
    assert mac == mac_address("lab", "pod-a-r1-u01")
    assert mac.startswith("02:") and len(mac) == 17
    assert len({mac, mac_address("lab", "pod-a-r1-u09"), mac_address("lab2", "pod-a-r1-u01")}) == 3


def test_a_host_without_the_lab_does_not_clash() -> None:
    assert (
        find_clash(BRIDGE, [link("eth0", "192.0.2.2", 24)], [DEFAULT, {"dst": "192.0.2.0/24", "dev": "eth0"}]) is None
    )


def test_our_own_bridge_and_routes_do_not_clash() -> None:
    routes = [
        DEFAULT,
        {"dst": "198.18.0.0/20", "dev": "gm-lab"},
        {"type": "unreachable", "dst": "198.18.0.0/20", "protocol": "198"},
        {"type": "local", "dst": "198.18.0.1", "dev": "gm-lab"},
    ]
    assert find_clash(BRIDGE, [link("gm-lab", "198.18.0.1", 20, BRIDGE.owner)], routes) is None


def test_another_labs_bridge_is_named_with_its_owner() -> None:
    holder = find_clash(BRIDGE, [link("gm-two", "198.18.8.1", 22, "Gridmill lab 'two' of /other")], [])
    assert holder is not None
    assert "gm-two" in holder and "Gridmill lab 'two' of /other" in holder


def test_a_bridge_of_our_name_that_another_made_is_a_clash() -> None:
    assert find_clash(BRIDGE, [link("gm-lab", "198.18.0.1", 20, "Gridmill lab 'lab' of /other")], []) is not None


@pytest.mark.parametrize("destination", ["198.18.0.0/15", "198.18.5.0/24", "198.18.4.65"])
def test_any_overlapping_route_is_a_clash(destination: str) -> None:
    holder = find_clash(BRIDGE, [], [{"dst": destination, "dev": "tun0"}])
    assert holder is not None and "tun0" in holder


def test_the_route_that_a_lab_left_behind_is_none() -> None:
    route = {"type": "unreachable", "dst": "198.18.0.0/19", "protocol": "198"}
    assert find_clash(BRIDGE, [], [route]) is None


def test_an_unreachable_route_of_somebody_else_is_a_clash() -> None:
    route = {"type": "unreachable", "dst": "198.18.0.0/15", "protocol": "static"}
    assert find_clash(BRIDGE, [], [route]) == "route 198.18.0.0/15 unreachable"


def test_a_default_route_in_two_halves_is_no_clash() -> None:
    assert find_clash(BRIDGE, [], [{"dst": "0.0.0.0/1", "dev": "tun0"}, {"dst": "128.0.0.0/1", "dev": "tun0"}]) is None


BOTH = Bridge("gm-lab", "198.18.0.1", "198.18.0.0/20", BRIDGE.owner, "2001:2::1", "2001:2::/56")


def test_a_bridge_with_both_kinds_of_addresses() -> None:
    assert [str(interface) for interface in BOTH.interfaces] == ["198.18.0.1/20", "2001:2::1/56"]
    assert BRIDGE.supernets == ["198.18.0.0/20"]
    six = {"family": "inet6", "local": "2001:2:0:1::5", "prefixlen": 64}
    taken = [{"ifname": "eth9", "addr_info": [{"family": "inet6", "local": "fe80::1", "prefixlen": 64}, six]}]
    assert find_clash(BRIDGE, taken, []) is None
    assert find_clash(BOTH, taken, []) == "address 2001:2:0:1::5/64 on eth9"
    own = [
        {"type": "unreachable", "dst": "2001:2::/56", "dev": "lo", "protocol": "198"},
        {"dst": "fe80::/64", "dev": "x"},
    ]
    assert find_clash(BOTH, [], [*own, {"dst": "default", "dev": "eth0"}]) is None
    assert find_clash(BOTH, [], [{"dst": "2001:2::/32", "dev": "tun0"}]) == "route 2001:2::/32 via tun0"


def test_nothing_leaves_before_the_bridge_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(arguments: list[str]) -> str:
        commands.append(arguments)
        return ""

    monkeypatch.setattr(network, "run", run)
    assert bring_up(BOTH)
    changes = [" ".join(one) for one in commands if "-json" not in one]
    assert changes[0].startswith("ip -4 route add unreachable 198.18.0.0/20 ")
    assert changes[1].startswith("ip -6 route add unreachable 2001:2::/56 ")
    assert changes[2].startswith("ip link add name gm-lab ")
    assert changes[-3:] == [
        "ip addr add 198.18.0.1/20 dev gm-lab",
        "ip addr add 2001:2::1/56 dev gm-lab",
        "ip link set dev gm-lab up",
    ]


def test_cables_of_machines_that_were_killed_are_removed_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [{"ifname": name} for name in ("vb-lab-one", "vb-lab-two", "vb-gone", "gmm-meters")]
    removed: list[str] = []

    def delete(command: list[str]) -> str:
        removed.append(command[-1])
        if command[-1] == "vb-gone":
            raise LabError("Cannot find device")
        return ""

    monkeypatch.setattr(network, "_ip_json", lambda *arguments: ports)
    monkeypatch.setattr(network, "run", delete)
    network.remove_ports(BRIDGE, {"vb-lab-two"})
    assert removed == ["vb-lab-one", "vb-gone"], "the kernel may be quicker"
