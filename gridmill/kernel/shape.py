"""The shape of a converge document, and what one concern puts into it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gridmill.kernel.site_plan import HostPlan, SitePlan

SCHEMA = "gridmill.converge/v1"
STORAGE = "storage"
CONTROL = "control"
EXPORTS = "exports"
KEYS = "keys"
ACCEPTANCE = "acceptance"

Document = dict[str, Any]
Values = dict[str, Any]
"""Variables of Ansible by name."""
HostKeys = Mapping[str, str]
"""Fingerprint of the host key by address."""


@dataclass(frozen=True)
class Concern:
    """What one concern (a role, or a few that belong together) needs to know, for whom."""

    everyone: Callable[[SitePlan], Values] = lambda _: {}
    """Variables of every machine of the phase."""
    groups: Mapping[str, Callable[[SitePlan], Values]] = field(default_factory=dict)
    """Variables of the machines of a group (a service, or `gpu`); asked only where the group has machines."""
    alike: Callable[[SitePlan, HostPlan], Values] = lambda _, __: {}
    """Variables of all machines that share the given one's SKU, services, power limit and part in storage."""
    checks: Callable[[SitePlan, HostPlan], list[Values]] = lambda _, __: []
    """What such a machine must be found to be; name and address come from the machine's own entry."""
    carries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Secret files of the first controller that a group's machines need: path by variable, by group."""


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
    playbooks: tuple[str, str | None],
    hosts: dict[str, dict[str, str]],
    groups: dict[str, Any],
    variables: Values,
) -> Document:
    """One document; `playbooks` are the phase's own and the one that decommissions, if any.

    The first controller keeps the site's lease and journal.
    """
    access = plan.access
    playbook, decommission = playbooks
    lease_host = plan.with_service("controller")[0]
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "scope": scope,
        "playbook": playbook,
        **({"decommission": decommission} if decommission else {}),
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


def variables_of_all(plan: SitePlan, concerns: Iterable[Concern]) -> Values:
    """Variables that every machine of the phase shares."""
    return {name: value for concern in concerns for name, value in concern.everyone(plan).items()}


def grouped(plan: SitePlan, hosts: Iterable[HostPlan], concerns: tuple[Concern, ...]) -> dict[str, Any]:
    """Groups with their machines: by service, by kind, and of machines that are alike, with the checks for such."""
    members: dict[str, list[str]] = defaultdict(list)
    alike: dict[tuple[str, ...], list[HostPlan]] = defaultdict(list)
    for host in hosts:
        for service in host.services:
            members["controllers" if service == "controller" else service].append(host.name)
        if host.gpu:
            members["gpu"].append(host.name)
        for served in host.serves:
            members[served.replace("-", "_")].append(host.name)
        alike[_likeness(host)].append(host)
    groups: dict[str, Any] = {}
    for name, names in sorted(members.items()):
        values = [concern.groups[name](plan) for concern in concerns if name in concern.groups]
        groups[name] = {"hosts": names, **({"vars": _joined(values)} if values else {})}
    for likeness, machines in sorted(alike.items()):
        first = machines[0]
        checks = [check for concern in concerns for check in concern.checks(plan, first)]
        own = _joined(concern.alike(plan, first) for concern in concerns)
        name = "_".join(["sku", *likeness]).replace("-", "_")
        groups[name] = {"hosts": [host.name for host in machines], "vars": {"verify_checks": checks, **own}}
    return groups


def _likeness(host: HostPlan) -> tuple[str, ...]:
    """What machines have in common that get the same: SKU, services, GPU cap, what they serve, what they mount."""
    cap = (f"cap{host.gpu.cap_w}",) if host.gpu and host.gpu.cap_w else ()
    served = (host.group, *host.serves) if host.serves else ()
    mounts = ("mounts", *host.mounts) if host.mounts else ()
    return (host.sku, *host.services, *cap, *served, *mounts)


def _joined(values: Iterable[Values]) -> Values:
    return {name: value for part in values for name, value in part.items()}
