"""Meters that cannot be asked: unknown, of nothing, at somebody else's address, or without a way to ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gridmill.catalog import Catalog
from gridmill.catalog.meter_schema import MeterSku
from gridmill.catalog.unknown import unknown_sku
from gridmill.core.addresses import pod_blocks
from gridmill.core.errors import Path, Problem
from gridmill.core.sections.meters import Meter
from gridmill.core.sections.power import Power
from gridmill.core.sections.site import Site

PORTS = {"modbus": 502, "snmp": 161}
"""Well-known ports: Modbus TCP (Modbus Messaging on TCP/IP Implementation Guide), SNMP (RFC 3417)."""


def meter_problems(site: Site, catalog: Catalog) -> Iterator[Problem]:
    """What is wrong with each meter of the site."""
    if site.power is None:
        return
    places: dict[str, str] = {}
    endpoints: dict[tuple[str, int, int | None], str] = {}
    for key, meter in site.power.meters.items():
        path: Path = ("power", "meters", key)
        yield from _place_problems(site, site.power, path, meter)
        yield from _address_problems(site, path, meter)
        first = places.setdefault(str(meter.measures), key)
        if first != key:
            yield Problem(
                (*path, "measures"), f"{meter.measures} is measured by {first} already", "one meter each", "remove one"
            )
        sku = catalog.meters.get(meter.sku)
        if sku is None:
            yield _unknown_sku(path, meter.sku, catalog)
            continue
        yield from _protocol_problems(site.power, path, meter, sku)
        unit = None if sku.snmp else 1 if meter.unit is None else meter.unit
        endpoint = (meter.address, meter.port or PORTS[sku.protocol], unit)
        first = endpoints.setdefault(endpoint, key)
        if first != key:
            message = f"{first} stands at {meter.address}, too"
            hint = "another address, or the unit of each behind one gateway" if sku.modbus else "another address"
            yield Problem((*path, "address"), message, "each meter once", hint)


def _unknown_sku(path: Path, sku: str, catalog: Catalog) -> Problem:
    return unknown_sku((*path, "sku"), sku, catalog.meters, catalog, "meters")


def _place_problems(site: Site, power: Power, path: Path, meter: Meter) -> Iterator[Problem]:
    place, at = meter.measures, (*path, "measures")
    if place.feed and place.feed not in power.feeds:
        expected = f"one of {', '.join(sorted(power.feeds))}"
        yield Problem(at, f"unknown feed {place.feed}", expected, f"add {place.feed} under power.feeds")
    elif place.pod:
        pod = site.pods.get(place.pod)
        rack = pod.racks.get(place.rack) if pod else None
        if pod is None:
            yield Problem(at, f"unknown pod {place.pod}", f"one of {', '.join(sorted(site.pods))}")
        elif rack is None:
            yield Problem(at, f"unknown rack {place.rack} of {place.pod}", f"one of {', '.join(sorted(pod.racks))}")
        elif place.feed not in (rack.pdus or {}):
            message = f"{place.pod}/{place.rack} has no PDU on feed {place.feed}"
            yield Problem(at, message, "a PDU of the stack", f"{place.feed} under pdus of {place.rack}")


def _address_problems(site: Site, path: Path, meter: Meter) -> Iterator[Problem]:
    address = ipaddress.ip_address(meter.address)
    expected = "an address of the out-of-band network, or of block 0"
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        yield Problem((*path, "address"), f"{address} is not an address of a meter", expected)
    if address == site.network.supernet.network_address + 1:
        yield Problem((*path, "address"), f"{address} is the first address of the supernet", expected)
    for holder, block in pod_blocks(site):
        if address in block:
            yield Problem((*path, "address"), f"{address} lies among the machines of {holder}", expected)


def _protocol_problems(power: Power, path: Path, meter: Meter, sku: MeterSku) -> Iterator[Problem]:
    if sku.snmp and power.snmp is None:
        message = f"{sku.id} speaks SNMP, and the stack does not say how to ask"
        hint = "snmp: {user: NAME, secretFile: FILE} under power"
        yield Problem((*path, "sku"), message, "`power.snmp`", hint)
    if sku.snmp and meter.unit is not None:
        yield Problem((*path, "unit"), f"{sku.id} speaks SNMP, which knows no units", "nothing", "remove it")
