"""Names: the site's own DNS on the controllers, and everyone who asks it."""

from __future__ import annotations

from collections import defaultdict

from gridmill.features.dns.plan import DnsPlan
from gridmill.kernel.feature import Values
from gridmill.kernel.site_plan import HostPlan, SitePlan


def client_variables(plan: SitePlan) -> Values:
    """Whom machines ask for names."""
    return {
        "dns_client_servers": [host.address for host in plan.with_service("controller")],
        "dns_client_domain": plan.domain,
    }


def client_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """Names resolve."""
    del plan, host
    return [{"check": "resolves"}]


def server_variables(plan: SitePlan) -> Values:
    """What the site's DNS answers, to whom, and whom it asks."""
    return {
        "dns_server_domain": plan.domain,
        "dns_server_records": _records(plan),
        "dns_server_networks": [plan.supernet, *([plan.supernet6] if plan.supernet6 else [])],
        "dns_server_upstreams": list(plan.of(DnsPlan).resolvers),
    }


def _records(plan: SitePlan) -> dict[str, list[str]]:
    """Names by address: a machine's own, then aliases for what a site has one of and for what the stack adds.

    By address, so that a machine more is one line more in a preview, and 10,000 of them stay small in the state.
    """
    aliases: dict[str, list[str]] = defaultdict(list)
    for alias, service in (("controller", "controller"), ("login", "login"), ("storage", "storage")):
        if found := plan.with_service(service):
            # any login node will do, so one that is in service gets the name
            up = [host for host in found if host.maintenance is None] if service == "login" else []
            aliases[(up or found)[0].name].append(f"{alias}.{plan.domain}")
    for alias, name in plan.of(DnsPlan).aliases.items():
        aliases[name].append(alias)
    records: dict[str, list[str]] = {}
    for host in plan.hosts:
        for address in filter(None, (host.address, host.address6)):
            records[address] = [host.fqdn, *aliases[host.name]]
    for name, address in plan.of(DnsPlan).records.items():
        records.setdefault(address, []).append(name)
    return records


def server_checks(plan: SitePlan, host: HostPlan) -> list[Values]:
    """The server runs."""
    del plan
    return [{"check": "service", "name": "dnsmasq"}] if "controller" in host.services else []
