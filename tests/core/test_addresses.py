"""Addresses: unique, inside their block, and nobody's depends on a neighbour."""

from __future__ import annotations

import copy
import ipaddress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gridmill.core.addresses import host_address, host_address6, pod_network, pod_network6
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import PLAIN_LAB, ROOT

SUPERNET = ipaddress.IPv4Network("10.40.0.0/16")


@pytest.mark.parametrize(
    ("index", "prefix", "expected"),
    [(1, 22, "10.40.4.0/22"), (2, 22, "10.40.8.0/22"), (63, 22, "10.40.252.0/22"), (1, 18, "10.40.64.0/18")],
)
def test_known_blocks_never_move(index: int, prefix: int, expected: str) -> None:
    assert str(pod_network(SUPERNET, prefix, index)) == expected


@pytest.mark.parametrize(
    ("rack", "unit", "expected"), [(1, 1, "10.40.4.65"), (1, 40, "10.40.4.104"), (15, 62, "10.40.7.254")]
)
def test_known_addresses_never_move(rack: int, unit: int, expected: str) -> None:
    assert str(host_address(pod_network(SUPERNET, 22, 1), rack, unit)) == expected


@pytest.mark.parametrize(("rack", "unit"), [(0, 1), (1, 0), (1, 64), (16, 1), (15, 63)])
def test_outside_is_refused(rack: int, unit: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        host_address(pod_network(SUPERNET, 22, 1), rack, unit)


@pytest.mark.parametrize("index", [0, 64, -1])
def test_blocks_outside_are_refused(index: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        pod_network(SUPERNET, 22, index)


SUPERNET6 = ipaddress.IPv6Network("fd4a:7c21:9e03::/48")


@pytest.mark.parametrize(
    ("index", "rack", "unit", "expected"),
    [
        (1, 1, 9, "fd4a:7c21:9e03:1::1:9"),
        (12, 12, 40, "fd4a:7c21:9e03:c::12:40"),
        (4095, 255, 63, "fd4a:7c21:9e03:fff::255:63"),
    ],
)
def test_known_ipv6_addresses_never_move(index: int, rack: int, unit: int, expected: str) -> None:
    """Rack and unit stand in the address as they are written on the door."""
    assert str(host_address6(pod_network6(SUPERNET6, index), rack, unit)) == expected


@pytest.mark.parametrize(("index", "rack", "unit"), [(0, 1, 1), (65536, 1, 1), (1, 0, 1), (1, 256, 1), (1, 1, 64)])
def test_ipv6_outside_is_refused(index: int, rack: int, unit: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        host_address6(pod_network6(SUPERNET6, index), rack, unit)


slots = st.tuples(st.integers(1, 14), st.integers(1, 48))


@given(st.sets(slots, min_size=2, max_size=40), st.data())
def test_removing_a_node_changes_nobody_else(places: set[tuple[int, int]], data: st.DataObject) -> None:
    removed = data.draw(st.sampled_from(sorted(places)))
    before = addresses(places)
    after = addresses(places - {removed})
    name = f"pod-a-r{removed[0]}-u{removed[1]:02d}"
    assert after == {key: value for key, value in before.items() if key != name}
    assert len({four for four, _ in before.values()}) == len({six for _, six in before.values()}) == len(before)
    block = ipaddress.IPv4Network("198.18.4.0/22")
    assert all(ipaddress.IPv4Address(four) in block for four, _ in before.values())
    expected = {f"pod-a-r{rack}-u{unit:02d}": f"2001:2:0:1::{rack}:{unit}" for rack, unit in places}
    assert {key: six for key, (_, six) in before.items()} == expected


@given(st.lists(slots, min_size=2, max_size=20, unique=True))
def test_order_of_slots_is_of_no_matter(places: list[tuple[int, int]]) -> None:
    assert plan_site(definition(places)) == plan_site(definition(places[::-1]))


def addresses(places: set[tuple[int, int]]) -> dict[str, tuple[str, str | None]]:
    return {
        host.name: (host.address, host.address6)
        for host in plan_site(definition(sorted(places))).hosts
        if host.group == "cpu"
    }


_DATA: dict[str, Any] = {}


def definition(places: list[tuple[int, int]]) -> Definition:
    """The lab with one-unit servers at these places instead of its GPU nodes."""
    if not _DATA:
        _DATA.update(yaml.safe_load(PLAIN_LAB)["config"]["gridmill:site"])
        del _DATA["storage"]
    data = copy.deepcopy(_DATA)
    data["scheduler"]["partitions"] = {"cpu": {"nodeGroups": ["cpu"], "maxTime": "1:00:00"}}
    data["grid"]["connection"] = "400 kVA"
    pod = data["pods"]["pod-a"]
    pod["budget"] = "200 kW"
    pod["racks"] = {f"r{number}": {"height": 63} for number in range(1, 16)}
    pod["nodes"] = {
        "control": {"sku": "sim-mgmt", "at": ["r15/u1"]},
        "cpu": {"sku": "sim-mgmt", "services": ["compute"], "at": [f"r{rack}/u{unit}" for rack, unit in places]},
    }
    return build_definition(data, ROOT)
