"""Drift: what on a site's machines is no longer as the last run left it. Looks, and changes nothing.

Every machine runs its drift check over one SSH connection, all at once. `gridmill drift --json` prints `drift_data`;
docs/reference/drift.md says what its keys mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gridmill.documents import documents
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.run.baselines import Answer, Recorded, check_all, told, wanted_digests
from gridmill.report.tables import columns

SCHEMA = "gridmill.drift/v1"
NOTHING, DRIFTED, UNSEEN = 0, 1, 2
"""Exit statuses: nothing drifted, something did, or some machine could not be looked at."""

Ask = Callable[[Mapping[str, str]], dict[str, Answer]]


@dataclass(frozen=True)
class HostDrift:
    """One machine of the plan."""

    name: str
    pod: str
    maintenance: str
    """Why it is being worked on, and not looked at; empty when it is in service."""
    unseen: str
    """Why it could not be looked at; empty when it was."""
    unrecorded: tuple[str, ...]
    """Phases that no run has ended well in here; it was looked at all the same."""
    planned: tuple[str, ...]
    """Phases in which something else is planned by now than was applied."""
    differences: tuple[dict[str, str], ...]
    """What is not as it was left, each with `phase`, `kind`, `name` and `found`."""
    items: int
    """How many things were looked at."""
    at: str
    """When it was left (UTC), the oldest of its phases."""


def site_drift(plan: SitePlan, ask: Ask | None = None) -> list[HostDrift]:
    """Every machine of the plan, in its order."""
    wanted = planned_digests(plan)
    hosts = {host.name: host for host in plan.hosts}
    asked = {name: hosts[name].address for name in wanted if hosts[name].maintenance is None}
    answers = (ask or _over_ssh(plan))(asked)
    return [_host(host, wanted.get(host.name, {}), answers.get(host.name)) for host in plan.hosts]


def planned_digests(plan: SitePlan) -> dict[str, dict[str, str]]:
    """By machine, what each of its phases plans, without secrets."""
    found: dict[str, dict[str, str]] = {}
    for scope, document in documents(plan).items():
        if "playbook" not in document:
            for name, (_, planned) in wanted_digests(dict(document), {}).items():
                found.setdefault(name, {})[scope] = planned
    return found


def _over_ssh(plan: SitePlan) -> Ask:
    connection = plan_connection(plan)
    return lambda addresses: check_all(connection, addresses)


def _host(host: HostPlan, wanted: Mapping[str, str], answer: Answer | None) -> HostDrift:
    maintenance = host.maintenance or ""
    recorded = answer.scopes if answer else {}
    there = {scope: recorded[scope] for scope in wanted if scope in recorded}
    return HostDrift(
        name=host.name,
        pod=host.pod,
        maintenance=maintenance,
        unseen="" if maintenance else _unseen(wanted, there, answer),
        unrecorded=tuple(scope for scope in wanted if scope not in there) if answer and not answer.complaint else (),
        planned=tuple(scope for scope, one in there.items() if one.plan != wanted[scope]),
        differences=tuple({"phase": scope, **one} for scope, found in there.items() for one in found.differences),
        items=sum(one.items for one in there.values()),
        at=min((one.at for one in there.values()), default=""),
    )


def _unseen(wanted: Mapping[str, str], there: Mapping[str, Recorded], answer: Answer | None) -> str:
    if answer is None:
        return "" if not wanted else "it was not asked"
    if answer.complaint:
        return f"{'unreachable' if answer.unreachable else 'could not be checked'}: {answer.complaint}"
    missing = [scope for scope in wanted if scope not in there]
    return f"no baseline of {', '.join(missing)}: no run has ended well here since" if missing else ""


def status_of(hosts: list[HostDrift]) -> int:
    """The exit status. Drift that was seen counts more than what could not be."""
    if any(host.differences for host in hosts):
        return DRIFTED
    return UNSEEN if any(host.unseen for host in hosts) else NOTHING


def drift_data(plan: SitePlan, hosts: list[HostDrift]) -> dict[str, Any]:
    """The findings for machines."""
    return {
        "schema": SCHEMA,
        "site": plan.name,
        "simulated": plan.simulated,
        "ok": status_of(hosts) == NOTHING,
        "hosts": [
            {
                "name": host.name,
                "pod": host.pod,
                "state": state_of(host),
                "maintenance": host.maintenance,
                "unseen": host.unseen,
                "planned": list(host.planned),
                "differences": list(host.differences),
                "items": host.items,
                "at": host.at,
            }
            for host in hosts
        ],
    }


def state_of(host: HostDrift) -> str:
    """State of a machine."""
    if host.maintenance:
        return "maintenance"
    if host.differences:
        return "drift"
    if host.unseen:
        return "unseen"
    return "planned" if host.planned else "as left"


def drift_table(plan: SitePlan, hosts: list[HostDrift]) -> str:
    """The findings for people."""
    rows: list[tuple[str, ...]] = [("NODE", "STATE", "LOOKED AT", "LEFT", "REMARK")]
    for host in hosts:
        planned = f"planned and not applied: {', '.join(host.planned)}" if host.planned else ""
        remarks = [host.maintenance, host.unseen, planned]
        remarks += [f"{len(host.differences)} found"] if host.differences else []
        seen = (str(host.items), host.at) if host.items else ("-", "-")
        rows.append((host.name, state_of(host), *seen, "; ".join(remark for remark in remarks if remark)))
    found = [f"{host.name}  {one['phase']}: {told(one)}" for host in hosts for one in host.differences]
    head = f"Site {plan.name}" + (", simulated" if plan.simulated else "")
    end = {NOTHING: "no drift", DRIFTED: "drift", UNSEEN: "no drift where it could be looked for"}[status_of(hosts)]
    return "\n".join([f"{head}: {end}", "", *columns(rows), *([""] if found else []), *found])
