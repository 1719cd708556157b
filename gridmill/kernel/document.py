"""The shape of a converge document: what a phase of a site gets on standard input, as plain data without secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gridmill.kernel.site_plan import HostPlan, SitePlan

SCHEMA = "gridmill.converge/v1"

Document = dict[str, Any]
Values = dict[str, Any]
"""Variables of Ansible by name."""
HostKeys = Mapping[str, str]
"""Fingerprint of the host key by address."""


def entries(hosts: Iterable[HostPlan], host_keys: HostKeys) -> dict[str, dict[str, str]]:
    """A machine's own entry: its addresses, and what it is known by (host key, serial number, MAC address)."""
    return {
        host.name: {
            "address": host.address,
            **({"address6": host.address6} if host.address6 else {}),
            **({"hostKey": host_keys[host.address]} if host.address in host_keys else {}),
            **({"serial": host.serial} if host.serial else {}),
            **({"mac": host.mac} if host.mac else {}),
        }
        for host in hosts
    }


def in_service(hosts: Iterable[HostPlan]) -> tuple[HostPlan, ...]:
    """Machines that a run may contact."""
    return tuple(host for host in hosts if host.maintenance is None)


def maintenance(hosts: Iterable[HostPlan]) -> Document:
    """The part of a document that names machines in maintenance, so that they are not taken for gone; if there are."""
    found = {host.name: host.maintenance for host in hosts if host.maintenance is not None}
    return {"maintenance": found} if found else {}


def document(
    plan: SitePlan,
    scope: str,
    hosts: dict[str, dict[str, str]],
    groups: dict[str, Any],
    variables: Values,
    runs: Document,
) -> Document:
    """One document; `runs` says what is run on the hosts, and what takes them out of service.

    The first controller keeps the site's lease and journal.
    """
    access = plan.access
    lease_host = plan.with_service("controller")[0]
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "scope": scope,
        **runs,
        "connection": {
            "user": access.bootstrap_user,
            "identityFile": access.identity_file,
            "knownHostsFile": access.known_hosts_file,
            "become": access.bootstrap_user != "root",
        },
        "leaseHost": {"name": lease_host.name, "address": lease_host.address},
        "domain": plan.domain,
        "vars": variables,
        "groups": groups,
        "hosts": hosts,
    }
