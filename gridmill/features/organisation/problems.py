"""What an organisation asks of every site it runs: own secrets, known machines, state at home."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from gridmill.catalog import Catalog
from gridmill.catalog.services import simulated
from gridmill.core.errors import Path, Problem
from gridmill.core.hostkeys import KnownHosts
from gridmill.core.sections.site import Site
from gridmill.kernel.site_plan import HostPlan

PUBLIC_PASSPHRASE_FILE = "gridmill/lab/passphrase"  # noqa: S105 - its name
"""The lab's passphrase, which comes with Gridmill."""

_SHOWN = 3


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


def host_key_problems(site: Site, hosts: Iterable[HostPlan], known_hosts: str | None) -> list[Problem]:
    """Machines that the first connection could not tell from an impostor; one problem a group."""
    file = site.access.bootstrap.known_hosts_file
    if known_hosts is None:
        path: Path = ("access", "bootstrap", "knownHostsFile")
        message = f"{file} does not exist here, so no machine's host key is known"
        hint = "collect the keys when the machines are racked, or sign them and add a `@cert-authority` line"
        return [Problem(path, message, "the host keys of all machines", hint)]
    known = KnownHosts(known_hosts)
    missing: dict[tuple[str, str], list[HostPlan]] = defaultdict(list)
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


def _some(hosts: Sequence[HostPlan]) -> str:
    shown = ", ".join(f"{host.name} ({host.address})" for host in hosts[:_SHOWN])
    return f"{len(hosts)} of {hosts[0].group}: {shown}{' ...' if len(hosts) > _SHOWN else ''}"


def _them(hosts: Sequence[HostPlan]) -> str:
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
