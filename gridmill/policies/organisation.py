"""What an organisation asks of every site it runs, beyond what makes a plan hold: room, redundancy, own secrets, known
machines, state at home."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from gridmill.catalog import Catalog
from gridmill.core.errors import Path, Problem
from gridmill.core.hostkeys import KnownHosts
from gridmill.core.sections.site import Site
from gridmill.core.units import kilowatts
from gridmill.power.caps import broken, highest_uniform_cap
from gridmill.power.consumers import consumers
from gridmill.power.limits import limits
from gridmill.power.problems import planned_caps

PUBLIC_PASSPHRASE_FILE = "gridmill/lab/passphrase"  # noqa: S105 - its name
"""The lab's passphrase, which stands in the repository."""

_SHOWN = 3


@dataclass(frozen=True)
class Host:
    """A machine that a run will connect to."""

    pod: str
    group: str
    name: str
    address: str


def simulated(site: Site, catalog: Catalog) -> bool:
    """Whether every machine of the site exists only in a virtual site."""
    found = [catalog.nodes.get(group.sku) for pod in site.pods.values() for group in pod.nodes.values()]
    return all(sku is not None and sku.simulated for sku in found)


def passphrase_problems(site: Site, catalog: Catalog, *, public: bool) -> list[Problem]:
    """Secrets of a site with real machines under the passphrase that everyone knows."""
    if not public or simulated(site, catalog):
        return []
    message = f"{PUBLIC_PASSPHRASE_FILE} is public and only for the virtual site"
    hint = (
        "set PULUMI_CONFIG_PASSPHRASE_FILE to a file of your own and run "
        "`pulumi stack change-secrets-provider passphrase`"
    )
    return [Problem(("name",), message, "a passphrase of your own", hint)]


def host_key_problems(site: Site, hosts: Iterable[Host], known_hosts: str | None) -> list[Problem]:
    """Machines that the first connection could not tell from an impostor; one problem a group."""
    file = site.access.bootstrap.known_hosts_file
    if known_hosts is None:
        path: Path = ("access", "bootstrap", "knownHostsFile")
        message = f"{file} does not exist here, so no machine's host key is known"
        hint = "collect the keys when the machines are racked, or sign them and add a `@cert-authority` line"
        return [Problem(path, message, "the host keys of all machines", hint)]
    known = KnownHosts(known_hosts)
    missing: dict[tuple[str, str], list[Host]] = defaultdict(list)
    for host in hosts:
        if not known.knows(host.address):
            missing[host.pod, host.group].append(host)
    return [
        Problem(
            ("pods", pod, "nodes", group),
            f"no host key of {_some(found)} is known, so nothing could tell {_them(found)} from an impostor",
            f"a line for {'each' if len(found) > 1 else 'it'} in {file}",
            "from the machine's console or its vendor, never from the network that it protects",
        )
        for (pod, group), found in missing.items()
    ]


def _some(hosts: Sequence[Host]) -> str:
    shown = ", ".join(f"{host.name} ({host.address})" for host in hosts[:_SHOWN])
    return f"{len(hosts)} of {hosts[0].group}: {shown}{' ...' if len(hosts) > _SHOWN else ''}"


def _them(hosts: Sequence[Host]) -> str:
    return "them" if len(hosts) > 1 else "it"


def state_problems(backend: str, allowed: Sequence[str] = ()) -> list[Problem]:
    """State in somebody else's hands: a Pulumi service that nobody allowed by name."""
    scheme, _, rest = backend.partition("://")
    if scheme not in {"http", "https", ""} or any(_below(backend, own) for own in allowed):
        return []
    where = rest.partition("/")[0] or "app.pulumi.com, where Pulumi keeps it when nobody says,"
    message = f"the state of the site is kept by the service {where} and not by its operator"
    hint = "`pulumi login` to such a place; a service of your own is allowed in the policy pack's configuration"
    return [Problem(("backend", "url"), message, "a file, an object store or a database of the operator", hint)]


def _below(url: str, own: str) -> bool:
    return url.rstrip("/") == own.rstrip("/") or url.startswith(own.rstrip("/") + "/")


def margin_problems(site: Site, catalog: Catalog, share: float) -> Iterator[Problem]:
    """Limits at the meter of which less than a share is left with everything on."""
    machines = consumers(site, catalog)
    rows = [row for row in limits(site, catalog, machines) if row.path[0] == "grid"]
    caps, _ = planned_caps(site, machines, rows)
    for row in rows:
        margin = row.margin_w(caps)
        if 0 <= margin < share * row.limit_w:
            at_most = kilowatts(int(row.limit_w * (1 - share) / row.factor))
            yield Problem(
                row.path,
                f"{margin / row.limit_w:.1%} of {row.element} is left, {kilowatts(int(margin))}",
                f"at least {share:.0%}: at most {at_most} of IT load",
                "a lower cap, fewer nodes, or more power",
            )


def redundancy_problems(site: Site, catalog: Catalog) -> list[Problem]:
    """A plan that only holds while nothing fails, and what it would take."""
    if simulated(site, catalog) or (site.power and site.power.plan == "n-1"):
        return []
    message = "the plan holds while nothing fails: nobody asked what a lost feed, UPS or PDU means"
    if site.power is None:
        hint = "describe feeds and PDUs under `power`, with `plan: n-1`"
        return [Problem(("power",), message, "feeds, and plan: n-1", hint)]
    strict = site.model_copy(update={"power": site.power.model_copy(update={"plan": "n-1"})})
    machines = consumers(strict, catalog)
    rows = list(limits(strict, catalog, machines))
    best = highest_uniform_cap(rows, machines)
    if not broken(rows, planned_caps(strict, machines, rows)[0]):
        hint = "it would hold: write `plan: n-1`"
    elif best is not None:
        hint = f"it would hold with at most {best} W per GPU (`caps: auto`)"
    else:
        hint = "write `plan: n-1` and see what does not hold"
    return [Problem(("power", "plan"), message, "plan: n-1", hint)]
