"""The converge documents: what each phase of a site gets on standard input, as plain data without secrets.

Values that all machines of a phase, a group or a class share stand once; a machine's own entry is its addresses, so
that a pod of 500 nodes stays readable in a preview. Roles stand in the order in which they run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from gridmill.kernel.document import SCHEMA, Document, HostKeys, Values, document, entries, maintenance
from gridmill.kernel.feature import Feature, Placement
from gridmill.kernel.site_plan import HostPlan, PodPlan, SitePlan
from gridmill.phases import ACCEPTANCE, CONTROL, EXPORTS, KEYS, PHASES, STORAGE, Phase, in_service

__all__ = ["ACCEPTANCE", "CONTROL", "EXPORTS", "KEYS", "SCHEMA", "STORAGE", "Document", "documents", "phase_of"]


def documents(plan: SitePlan, host_keys: HostKeys | None = None) -> dict[str, Document]:
    """All documents of a site by scope (a phase's name, or a pod's key), in the order in which they run.

    `host_keys` are fingerprints by address; a machine that was replaced has another, and is converged again. A phase
    without machines has no document, and neither have pods that are planned.
    """
    keys = host_keys or {}
    found: dict[str, Document] = {}
    for phase in PHASES:
        for pod in plan.pods if phase.per_pod else (None,):
            hosts = phase.machines(plan, pod)
            if not hosts and not phase.per_pod:
                continue
            if phase.own_document:
                found[phase.name] = phase.own_document(plan, keys)
            else:
                made = _document(plan, phase, pod, hosts, keys)
                found[made["scope"]] = made
    return found


def phase_of(scope: str) -> Phase:
    """The row of a document's scope: its own name, or the one of pods."""
    return next((phase for phase in PHASES if phase.name == scope), next(phase for phase in PHASES if phase.per_pod))


def placements_of(features: Sequence[Feature], phase: str) -> list[Placement]:
    """What features place in a phase, in the order in which it runs."""
    placed = [one for feature in features for one in feature.placements if phase in one.phases]
    return sorted(placed, key=lambda one: one.stage)


def _document(
    plan: SitePlan, phase: Phase, pod: PodPlan | None, machines: Sequence[HostPlan], host_keys: HostKeys
) -> Document:
    placed = placements_of(plan.features, phase.name)
    home = {one: feature for feature in plan.features if feature.directory for one in feature.placements}
    hosts = in_service(machines) if phase.ledger else machines
    groups = grouped(plan, hosts, placed)
    runs: Document = {"roles": [_role(phase, one, home.get(one)) for one in placed if one.role]}
    if phase.decommission:
        runs["decommission"] = phase.decommission
    variables = {name: value for one in placed for name, value in one.site_variables(plan).items()}
    scope = pod.key if pod else phase.name
    made = document(plan, scope, entries(hosts, host_keys), groups, variables, runs)
    if not phase.ledger:
        return made
    controllers = plan.with_service("controller")
    made["carry"] = [
        {"host": controllers[0].name, "path": path, "variable": variable}
        for one in placed
        for group, files in one.secret_files.items()
        if group in groups
        for variable, path in files.items()
    ]
    made["controllers"] = entries(controllers, host_keys)
    if "compute" in groups:
        made["rollout"] = rollout(plan)
    return made | maintenance(machines)


def _role(phase: Phase, placed: Placement, home: Feature | None) -> Document:
    """One run of a role: its name, its machines as a pattern inside of the document, its variables, and the feature
    from elsewhere that brings it."""
    pattern, everybody = placed.phases[phase.name], phase.pattern
    within = everybody if pattern == "all" else pattern + everybody.removeprefix("all")
    return {
        "role": placed.role,
        **({"hosts": within} if within != "all" else {}),
        **({"vars": placed.role_variables} if placed.role_variables else {}),
        **({"feature": home.name} if home else {}),
    }


def rollout(plan: SitePlan) -> Document:
    """How nodes that run jobs are changed when that would affect them."""
    wanted = plan.changes.rollout
    lists = {"waves": list(wanted.waves), "windows": list(wanted.windows)}
    return {**asdict(wanted), **lists, "timezone": plan.timezone}


def grouped(plan: SitePlan, hosts: Sequence[HostPlan], placed: Sequence[Placement]) -> dict[str, Any]:
    """Groups with their machines, then classes: machines that get the same variables and checks."""
    groups: dict[str, Any] = {}
    tests = {name: test for feature in plan.features for name, test in feature.groups.items()}
    for name, test in sorted(tests.items()):
        if members := [host.name for host in hosts if test(plan, host)]:
            own = [one.group_variables[name](plan) for one in placed if name in one.group_variables]
            groups[name] = {"hosts": members, **({"vars": _joined(own)} if own else {})}
    return groups | _classes(plan, hosts, placed)


def _classes(plan: SitePlan, hosts: Iterable[HostPlan], placed: Sequence[Placement]) -> dict[str, Any]:
    """Machines by equal values. A class is named by the group of nodes of its first machine; a number tells classes
    of one group apart."""
    members: dict[str, list[HostPlan]] = {}
    values: dict[str, Values] = {}
    for host in hosts:
        checks = [check for one in placed for check in one.checks(plan, host)]
        own = {"verify_checks": checks, **_joined(one.class_variables(plan, host) for one in placed)}
        key = json.dumps(own, sort_keys=True)
        values.setdefault(key, own)
        members.setdefault(key, []).append(host)
    named: dict[str, Any] = {}
    for key, machines in members.items():
        base = f"class_{machines[0].group}".replace("-", "_")
        name, number = base, 1
        while name in named:
            number += 1
            name = f"{base}_{number}"
        named[name] = {"hosts": [host.name for host in machines], "vars": values[key]}
    return dict(sorted(named.items()))


def _joined(values: Iterable[Values]) -> Values:
    return {name: value for part in values for name, value in part.items()}
