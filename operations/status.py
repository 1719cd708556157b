"""Status: the plan beside what Slurm and the ledger say of every machine. One SSH connection, to the controller."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from gridmill.plan import HostPlan, SitePlan
from gridmill.render.tables import columns
from operations.document import plan_connection
from operations.errors import OperationError
from operations.ledger import DIRECTORY
from operations.ssh import run_as_root

MARK = "--- gridmill ledger ---"
SCRIPT = f"""
sinfo --noheader --Node --format='%N|%T|%E' | sort --unique
for file in {DIRECTORY}/*.json; do
  [ -e "$file" ] || continue
  echo '{MARK}'
  cat "$file"
done
"""
WORKING = frozenset({"idle", "mixed", "allocated", "completing", "planned", "reserved"})
"""Slurm's states of a node that works or could."""


@dataclass(frozen=True)
class NodeStatus:
    """One machine, planned or not."""

    name: str
    planned: bool
    sku: str
    services: tuple[str, ...]
    slurm: str
    """Slurm's state in lower case; empty for a machine that runs no jobs."""
    converged: str
    """When it was last converged wholly (UTC); empty when that is not known."""
    problem: str


@dataclass(frozen=True)
class Seen:
    """What the controller said: state and reason by node, and the time of convergence (or empty) by machine."""

    states: dict[str, tuple[str, str]]
    ledger: dict[str, str]


def site_status(plan: SitePlan, ask: Callable[[], str] | None = None) -> list[NodeStatus]:
    """Every planned machine, then those that Slurm or the ledger still has. OperationError without a controller."""
    seen = parse((ask or over_ssh(plan))())
    planned = [_planned(host, seen) for host in plan.hosts]
    names = {host.name for host in plan.hosts}
    rest = sorted((set(seen.states) | set(seen.ledger)) - names)
    return planned + [
        NodeStatus(
            name,
            planned=False,
            sku="",
            services=(),
            slurm=seen.states.get(name, ("", ""))[0],
            converged=seen.ledger.get(name, ""),
            problem="not planned: `pulumi up` takes it out of service",
        )
        for name in rest
    ]


def _planned(host: HostPlan, seen: Seen) -> NodeStatus:
    state, reason = seen.states.get(host.name, ("", ""))
    converged = seen.ledger.get(host.name, "")
    problems = []
    if "compute" in host.services:
        if not state:
            problems.append("Slurm does not know it")
        elif not set(state.rstrip("*~#!%$@^-").split("+")) <= WORKING or state.endswith("*"):
            problems.append(f"Slurm: {state}" + (f" ({reason})" if reason else ""))
    if "controller" not in host.services and not converged:
        problems.append("not converged wholly")
    return NodeStatus(host.name, True, host.sku, host.services, state, converged, "; ".join(problems))


def parse(output: str) -> Seen:
    """What SCRIPT printed."""
    head, *ledgers = output.split(MARK)
    states: dict[str, tuple[str, str]] = {}
    for line in head.splitlines():
        match line.strip().split("|", 2):
            case [name, state, reason]:
                states[name] = (state.lower(), "" if reason == "none" else reason)
    ledger: dict[str, str] = {}
    for text in ledgers:
        try:
            hosts = json.loads(text)["hosts"]
            ledger |= {name: entry["at"] if entry["digest"] else "" for name, entry in hosts.items()}
        except (ValueError, KeyError, TypeError) as error:
            raise OperationError(f"a ledger on the controller cannot be read: {error!r}") from error
    return Seen(states, ledger)


def over_ssh(plan: SitePlan) -> Callable[[], str]:
    """Asks the first controller."""
    controller = plan.with_service("controller")[0]
    connection = plan_connection(plan)

    def ask() -> str:
        words = ["sh", "-s"]
        return run_as_root(connection, controller.name, controller.address, words, what="status", stdin=SCRIPT)

    return ask


def status_table(plan: SitePlan, nodes: list[NodeStatus]) -> str:
    """The status for people."""
    rows = [("NODE", "SKU", "SERVICES", "SLURM", "CONVERGED", "PROBLEM")]
    rows += [
        (node.name, node.sku or "-", ",".join(node.services), node.slurm, node.converged, node.problem)
        for node in nodes
    ]
    bad = sum(bool(node.problem) for node in nodes)
    head = f"Site {plan.name}" + (", simulated" if plan.simulated else "")
    return "\n".join([head, *columns(rows), f"{bad} of {len(nodes)} with a problem" if bad else "no problems"])


def status_data(plan: SitePlan, nodes: list[NodeStatus]) -> dict[str, Any]:
    """The status for machines."""
    return {
        "site": plan.name,
        "simulated": plan.simulated,
        "ok": not any(node.problem for node in nodes),
        "nodes": [asdict(node) for node in nodes],
    }
