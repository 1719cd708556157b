"""Status: the plan beside what Slurm, the ledger and the last run say. One SSH connection, to the controller;
`status_power` asks machines with GPUs for their power limits.

`gridmill status --json` prints `status_data`; docs/reference/status.md says what its keys mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gridmill.kernel.site_plan import HostPlan, PodPlan, SitePlan
from gridmill.operations.directories import state_directory
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root
from gridmill.operations.inspect.endpoints import endpoint_problems
from gridmill.operations.inspect.watts import WattsStatus
from gridmill.operations.local_files import require_files
from gridmill.operations.record.ledger import DIRECTORY
from gridmill.operations.run.results import failures_of

MARK = "--- gridmill ledger ---"
SCRIPT = f"""
sinfo --noheader --Node --format='%N|%T|%G|%E' | sort --unique
for file in {DIRECTORY}/*.json; do
  [ -e "$file" ] || continue
  echo '{MARK}'
  cat "$file"
done
"""
WORKING = frozenset({"idle", "mixed", "allocated", "completing", "planned", "reserved"})
"""Slurm's states of a node that works or could."""
AWAY = frozenset({"down", "unknown", "powered_down", "powering_up", "powering_down", "inval", "fail"})
"""Slurm's states of a node that it has not heard of, or not as it was declared."""
FLAGS = "*~#!%$@^-"
"""What Slurm appends to a state; `*` is silence."""


@dataclass(frozen=True)
class NodeStatus:
    """One machine, planned or not."""

    name: str
    pod: str
    planned: bool
    found: bool
    """Slurm hears it; for a machine that runs no jobs, its last run ended well."""
    working: bool
    """In service, and nothing is wrong with it."""
    sku: str
    services: tuple[str, ...]
    gpus_planned: int
    gpus_found: int
    """GPUs that Slurm has from the node; none while it does not hear it."""
    slurm: str
    """Slurm's state in lower case; empty for a machine that runs no jobs."""
    maintenance: str
    """Why it is being worked on; empty when it is in service."""
    converged: str
    """When it was last converged completely (UTC); empty when that is not known."""
    reboot: str
    """Why a reboot was due then; empty when none was."""
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Remarks that are not problems."""


@dataclass(frozen=True)
class PodStatus:
    """A pod: counts over its planned machines."""

    pod: str
    planned_from: str
    """Date from which a pod is expected that is not installed yet; its machines are not looked for."""
    nodes_planned: int
    nodes_found: int
    nodes_working: int
    nodes_in_maintenance: int
    gpus_planned: int
    gpus_found: int
    nameplate_w: int
    budget_w: int
    converged: str
    """When a machine of it was last converged (UTC)."""
    problems: int
    """Machines with a problem."""


@dataclass(frozen=True)
class InSlurm:
    """A node as Slurm has it."""

    state: str = ""
    gpus: int = 0
    reason: str = ""

    @property
    def states(self) -> set[str]:
        """State and flags that are words."""
        return set(self.state.rstrip(FLAGS).split("+")) if self.state else set()

    @property
    def heard(self) -> bool:
        """Whether the node answers."""
        return bool(self.state) and not self.state.endswith("*") and not self.states & AWAY


@dataclass(frozen=True)
class InLedger:
    """A machine as the ledger has it: when it was converged, and whether it still is."""

    at: str = ""
    whole: bool = False
    reboot: str = ""


@dataclass(frozen=True)
class Seen:
    """What the controller said, by machine."""

    slurm: dict[str, InSlurm]
    ledger: dict[str, InLedger]


@dataclass(frozen=True)
class LastRun:
    """What this machine's last run of a phase said."""

    finished: str = ""
    ok: bool = False
    failures: Mapping[str, str] = field(default_factory=dict)
    """What failed first, by machine."""


def site_status(
    plan: SitePlan, ask: Callable[[], str] | None = None, runs: Mapping[str, LastRun] | None = None
) -> list[NodeStatus]:
    """Every planned machine, then those that Slurm or the ledger still has. OperationError without a controller.

    `runs` are the last runs by phase, as far as they were started on this machine.
    """
    seen = parse((ask or over_ssh(plan))())
    planned = [_planned(host, seen, runs or {}) for host in plan.hosts]
    names = {host.name for host in plan.hosts}
    rest = sorted((set(seen.slurm) | set(seen.ledger)) - names)
    return planned + [_unplanned(name, seen) for name in rest]


def status_or_plan(plan: SitePlan) -> tuple[list[NodeStatus], str]:
    """The site's status; or its planned machines, of which nothing is known, and why no controller could be asked."""
    try:
        require_files(plan)
        return with_problems(site_status(plan, runs=last_runs(plan)), endpoint_problems(plan)), ""
    except OperationError as error:
        why = str(error)
    unasked = (_planned(host, Seen({}, {}), {}) for host in plan.hosts)
    return [replace(node, found=False, working=False, problems=()) for node in unasked], why


def with_problems(nodes: list[NodeStatus], found: Mapping[str, Sequence[str]]) -> list[NodeStatus]:
    """The nodes with more problems, by name: a machine that has one does not work."""
    return [
        replace(node, working=False, problems=(*node.problems, *found[node.name])) if found.get(node.name) else node
        for node in nodes
    ]


def pod_status(plan: SitePlan, nodes: list[NodeStatus]) -> list[PodStatus]:
    """Installed pods, then those that are planned."""
    standing = [_pod(pod, [node for node in nodes if node.planned and node.pod == pod.key]) for pod in plan.pods]
    return standing + [_pod(pod, []) for pod in plan.future]


def _pod(pod: PodPlan, nodes: list[NodeStatus]) -> PodStatus:
    return PodStatus(
        pod=pod.key,
        planned_from=pod.planned_from or "",
        nodes_planned=len(pod.hosts),
        nodes_found=sum(node.found for node in nodes),
        nodes_working=sum(node.working for node in nodes),
        nodes_in_maintenance=sum(bool(node.maintenance) for node in nodes),
        gpus_planned=sum(host.gpu.count for host in pod.hosts if host.gpu),
        gpus_found=sum(node.gpus_found for node in nodes),
        nameplate_w=pod.power.nameplate_w,
        budget_w=pod.power.budget_w,
        converged=max((node.converged for node in nodes), default=""),
        problems=sum(bool(node.problems) for node in nodes),
    )


def _planned(host: HostPlan, seen: Seen, runs: Mapping[str, LastRun]) -> NodeStatus:
    slurm = seen.slurm.get(host.name, InSlurm())
    ledger = seen.ledger.get(host.name, InLedger())
    controller = "controller" in host.services
    run = runs.get("control" if controller else host.pod, LastRun())
    converged = run.finished if controller and run.ok else ledger.at
    found = slurm.heard if "compute" in host.services else controller or ledger.whole
    problems: list[str] = []
    if host.maintenance is not None:
        if slurm.state and "drain" not in slurm.state:
            problems.append(f"Slurm: {slurm.state}, not drained: `pulumi up` drains it")
    else:
        if "compute" in host.services:
            problems += _slurm_problems(slurm)
        if not controller and not ledger.whole:
            problems.append("not converged completely")
            problems += [f"last run: {run.failures[host.name]}"] if host.name in run.failures else []
    return NodeStatus(
        name=host.name,
        pod=host.pod,
        planned=True,
        found=found,
        working=found and not problems and host.maintenance is None,
        sku=host.sku,
        services=host.services,
        gpus_planned=host.gpu.count if host.gpu else 0,
        gpus_found=slurm.gpus if slurm.heard else 0,
        slurm=slurm.state,
        maintenance=host.maintenance or "",
        converged=converged,
        reboot=ledger.reboot,
        problems=tuple(problems),
    )


def _slurm_problems(slurm: InSlurm) -> list[str]:
    if not slurm.state:
        return ["Slurm does not know it"]
    if not slurm.states <= WORKING or slurm.state.endswith("*"):
        return [f"Slurm: {slurm.state}" + (f" ({slurm.reason})" if slurm.reason else "")]
    return []


def _unplanned(name: str, seen: Seen) -> NodeStatus:
    slurm = seen.slurm.get(name, InSlurm())
    return NodeStatus(
        name=name,
        pod="",
        planned=False,
        found=slurm.heard,
        working=False,
        sku="",
        services=(),
        gpus_planned=0,
        gpus_found=slurm.gpus if slurm.heard else 0,
        slurm=slurm.state,
        maintenance="",
        converged=seen.ledger.get(name, InLedger()).at,
        reboot="",
        problems=("not planned: `pulumi up` takes it out of service",),
    )


def parse(output: str) -> Seen:
    """What SCRIPT printed."""
    head, *ledgers = output.split(MARK)
    states: dict[str, InSlurm] = {}
    for line in head.splitlines():
        match line.strip().split("|", 3):
            case [name, state, gres, reason]:
                states[name] = InSlurm(state.lower(), _gpus(gres), "" if reason == "none" else reason)
    ledger: dict[str, InLedger] = {}
    for text in ledgers:
        try:
            hosts = json.loads(text)["hosts"]
            ledger |= {
                name: InLedger(entry["at"], bool(entry["digest"]), entry.get("reboot", ""))
                for name, entry in hosts.items()
            }
        except (ValueError, KeyError, TypeError) as error:
            raise OperationError(f"a ledger on the controller cannot be read: {error!r}") from error
    return Seen(states, ledger)


def _gpus(gres: str) -> int:
    """`gpu:h100:8(S:0-1),shard:4` as 8."""
    plain = re.sub(r"\([^)]*\)", "", gres)
    return sum(int(part.rsplit(":", 1)[1]) for part in plain.split(",") if re.fullmatch(r"gpu(:\w+)?:[0-9]+", part))


def over_ssh(plan: SitePlan) -> Callable[[], str]:
    """Asks the first controller."""
    controller = plan.with_service("controller")[0]
    connection = plan_connection(plan)

    def ask() -> str:
        words = ["sh", "-s"]
        return run_as_root(connection, controller.name, controller.address, words, what="status", stdin=SCRIPT)

    return ask


def last_runs(plan: SitePlan) -> dict[str, LastRun]:
    """The reports that runs on this machine left, by phase; none for a phase that ran elsewhere."""
    directory = state_directory() / "sites" / plan.name / "reports"
    paths = {scope: directory / f"{scope}-apply.json" for scope in ("control", *(pod.key for pod in plan.pods))}
    return {scope: _last_run(path) for scope, path in paths.items() if path.exists()}


def _last_run(path: Path) -> LastRun:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        return LastRun(report["finished"], report["ok"], failures_of(report))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperationError(f"{path} is not a report of a run ({error!r}); remove it") from error


def status_data(
    plan: SitePlan, nodes: list[NodeStatus], unreachable: str = "", watts: WattsStatus | None = None
) -> dict[str, Any]:
    """The status for machines; `unreachable` says why no controller answered."""
    return {
        "schema": "gridmill.status/v1",
        "site": plan.name,
        "simulated": plan.simulated,
        "ok": not unreachable and not any(node.problems for node in nodes),
        "unreachable": unreachable,
        "power": {
            "nameplate_w": plan.power.nameplate_w,
            "meter_w": plan.meter_w,
            "grid_limit_w": plan.grid_limit_w,
            **({"jobs": asdict(watts)} if watts else {}),
        },
        "pods": [asdict(pod) for pod in pod_status(plan, nodes)],
        "nodes": [asdict(node) for node in nodes],
    }
