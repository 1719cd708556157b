"""What a phase would change on machines, as text for a preview: equal machines together, the worst impact first."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from gridmill.core.hostlist import fold
from gridmill.core.impact import CLASSES

MOST_NAMES = 12
"""Items of one kind told by name; the rest is counted."""
KINDS = {"package": "packages", "file": "files", "unit": "units"}

Predicted = dict[str, Any]


def predicted_text(found: Predicted) -> list[str]:
    """Lines for people."""
    lines = [headline(found)]
    for names, host in grouped(found["hosts"]):
        changes = host["changes"]
        if not changes and not host["failures"] and "replaced" not in host:
            continue
        lines.append(f"  {machines(names)}{_new(names, found)}: {count(len(changes), 'change')}")
        lines += [f"    {line}" for line in host_lines(host)]
    lines += [f"  {machines([name])} FAILS: {text}" for name, text in _failures(found["hosts"])]
    if found["leaving"]:
        lines.append(f"  {machines(found['leaving'])}: drained, then out of service")
    lines += [f"  not asked: {machines(names)} ({reason})" for reason, names in by_reason(found["unreached"])]
    if found["unfinished"]:
        lines.append(f"  not asked completely, the time limit was up: {machines(found['unfinished'])}")
    lines += [f"  skipped, maintenance: {machines(names)} ({why})" for why, names in by_reason(found["maintenance"])]
    if found["jobs"]:
        jobs = [f"{job['job']} of {job['user']} on {job['nodes']} ({job['elapsed']})" for job in found["jobs"]]
        lines.append(f"  running jobs on affected nodes: {some(jobs)}")
    if found["jobsUnknown"]:
        lines.append(f"  running jobs on affected nodes: not known ({found['jobsUnknown']})")
    return lines


def headline(found: Predicted) -> str:
    """One line for a phase."""
    if found["complaint"]:
        return f"{found['scope']}: {found['complaint']}; impact: not known"
    changed = sum(bool(host["changes"]) for host in found["hosts"].values())
    same = len(found["unchanged"]) + len(found["hosts"]) - changed
    unknown = len(found["unreached"]) + len(found["unfinished"])
    parts = [f"{count(changed, 'machine')} would change"] if changed else []
    parts += [f"{same} as planned"] if same else []
    parts += [f"{unknown} not known"] if unknown else []
    parts = parts or ["no machine would change"]
    return f"{found['scope']}: {', '.join(parts)}; impact: {impact_text(found)}"


def impact_text(found: Predicted) -> str:
    """The phase's impact, as far as it is known. A run needs the machines that a preview does without."""
    unknown = len(found["unreached"]) + len(found["unfinished"])
    parts = [found["impact"]] if found["hosts"] or not unknown else []
    parts += [f"not known of {unknown}" if parts else "not known"] if unknown else []
    return ", ".join(parts) + ("; `up` will fail here" if found["unreached"] else "")


def host_lines(host: dict[str, Any]) -> list[str]:
    """What would change on one machine: packages, files, units, the rest; then what is more than live, and why."""
    kinds: dict[str, list[str]] = {}
    rest: list[str] = []
    for change in host["changes"]:
        other = []
        for line in change["what"]:
            kind, _, text = line.partition(" ")
            if kind in KINDS:
                kinds.setdefault(kind, []).append(text)
            else:
                other.append(line)
        if other or not change["what"]:
            said = f": {some(other)}" if other else ""
            rest.append(f"{change['role']}: {change['task']}{said}" if change["role"] else f"{change['task']}{said}")
    lines = [f"{KINDS[kind]}: {some(kinds[kind])}" for kind in KINDS if kind in kinds]
    lines += rest
    if "replaced" in host:
        lines.append(f"reprovision: {host['replaced']}")
    return lines + [f"{impact}: {why}" for impact, why in reasons(host)]


def reasons(host: dict[str, Any]) -> list[tuple[str, str]]:
    """Impacts of a machine that are more than live, each reason once, the worst first."""
    least = CLASSES.index("live")
    found = {(change["impact"], change["why"]) for change in host["changes"]}
    telling = [one for one in found if CLASSES.index(one[0]) > least]
    return sorted(telling, key=lambda one: (-CLASSES.index(one[0]), one[1]))


def grouped(hosts: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    """Machines with the same changes together, those with the worst impact first."""
    groups: dict[str, list[str]] = {}
    for name, host in hosts.items():
        alike = {key: value for key, value in host.items() if key != "failures"}
        groups.setdefault(json.dumps(alike, sort_keys=True), []).append(name)
    found = [(names, hosts[names[0]]) for names in groups.values()]
    return sorted(found, key=lambda one: -CLASSES.index(one[1]["impact"]))


def by_reason(names: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Names with the same reason together."""
    found: dict[str, list[str]] = {}
    for name, reason in names.items():
        found.setdefault(reason, []).append(name)
    return sorted(found.items())


def machines(names: Iterable[str]) -> str:
    """Names as few expressions, counted when they are many."""
    listed = list(names)
    text = ",".join(fold(listed))
    return text if len(listed) == 1 else f"{len(listed)} machines {text}"


def some(items: list[str]) -> str:
    """The first items, and how many more there are."""
    more = len(items) - MOST_NAMES
    return ", ".join(items[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def count(number: int, noun: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _new(names: list[str], found: Predicted) -> str:
    if set(names) <= set(found["added"]):
        return " (new)"
    return " (back from maintenance)" if set(names) <= set(found.get("returning", ())) else ""


def _failures(hosts: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, text) for name, host in hosts.items() for text in host["failures"]]
