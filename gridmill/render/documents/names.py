"""Names: the site's own DNS on the controllers, and everyone who asks it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from gridmill.plan.site_plan import HostPlan, SitePlan
from gridmill.render.documents.shape import Concern, Values


def _client(plan: SitePlan) -> Values:
    return {
        "names_client_servers": [host.address for host in plan.with_service("controller")],
        "names_client_domain": plan.domain,
    }


def _client_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan, host
    return [{"check": "resolves"}]


def _server(plan: SitePlan) -> Values:
    return {
        "names_server_domain": plan.domain,
        "names_server_records": _records(plan),
        "names_server_networks": [plan.supernet, *([plan.supernet6] if plan.supernet6 else [])],
        "names_server_upstreams": list(plan.resolvers),
    }


def _records(plan: SitePlan) -> list[dict[str, Any]]:
    """Every machine's addresses, with aliases for what a site has one of and for what the stack adds."""
    aliases: dict[str, list[str]] = defaultdict(list)
    for alias, service in (("controller", "controller"), ("login", "login"), ("storage", "storage")):
        if found := plan.with_service(service):
            aliases[found[0].name].append(f"{alias}.{plan.domain}")
    for alias, name in plan.aliases.items():
        aliases[name].append(alias)
    machines = [
        {"name": host.fqdn, "address": address, "aliases": aliases[host.name]}
        for host in plan.hosts
        for address in (host.address, host.address6)
        if address
    ]
    return machines + [{"name": name, "address": address, "aliases": []} for name, address in plan.records.items()]


def _server_checks(plan: SitePlan, host: HostPlan) -> list[dict[str, Any]]:
    del plan
    return [{"check": "service", "name": "dnsmasq"}] if "controller" in host.services else []


NAMES_CLIENT = Concern(everyone=_client, checks=_client_checks)
NAMES_SERVER = Concern(groups={"controllers": _server}, checks=_server_checks)
