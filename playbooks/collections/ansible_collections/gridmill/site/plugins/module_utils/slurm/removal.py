"""Nodes that a new configuration no longer has, and the jobs that still run on them: pure, over Slurm's output."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.gridmill.site.plugins.module_utils.checks.slurm import parse_fields
from ansible_collections.gridmill.site.plugins.module_utils.slurm.hostlist import expand

LEAVING_REASON = "no longer planned"
JOB_FORMAT = "%A|%u|%T|%N"
# A job in these states holds no node, or not yet.
_HOLDS_NOTHING = frozenset(
    {
        *("PENDING", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL", "DEADLINE"),
        *("OUT_OF_MEMORY", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT", "REVOKED"),
    }
)


@dataclass(frozen=True)
class Changes:
    """Nodes that leave the configuration, those of them to be drained, and nodes drained by us that stay after all."""

    leaving: list[str]
    drain: list[str]
    undrain: list[str]


def planned_nodes(text: str) -> set[str]:
    """Names of the nodes that a slurm.conf lists."""
    found: set[str] = set()
    for line in text.splitlines():
        if match := re.match(r"\s*NodeName=(\S+)", line, re.IGNORECASE):
            found.update(name for name in expand(match[1]) if name.upper() != "DEFAULT")
    return found


def changes(planned: set[str], output: str) -> Changes:
    """Compare with `scontrol --oneliner show nodes`. A node that joined by itself (dynamic) was never in the file."""
    nodes = {fields["NodeName"]: fields for line in output.splitlines() if "NodeName" in (fields := parse_fields(line))}
    flags = {name: set(re.split(r"[+*]", fields.get("State", ""))) for name, fields in nodes.items()}
    leaving = [name for name in nodes if name not in planned and not any("DYNAMIC" in flag for flag in flags[name])]
    return Changes(
        leaving=leaving,
        drain=[name for name in leaving if "DRAIN" not in flags[name]],
        undrain=[
            name
            for name, fields in nodes.items()
            if name in planned and "DRAIN" in flags[name] and fields.get("Reason", "").startswith(LEAVING_REASON)
        ],
    )


def holders(leaving: list[str], output: str) -> dict[str, list[str]]:
    """What still runs per leaving node, as `job 12 of anna`, from squeue with JOB_FORMAT."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        match line.strip().split("|"):
            case [job, user, state, nodes] if state.split(" ")[0] not in _HOLDS_NOTHING:
                for name in expand(nodes):
                    if name in leaving:
                        found.setdefault(name, []).append(f"job {job} of {user}")
    return found


def refusal(found: dict[str, list[str]]) -> str:
    """What a person is told who takes nodes away under running jobs; empty when none runs."""
    if not found:
        return ""
    told = "; ".join(
        f"{name} is drained; {', '.join(jobs)} still run{'s' if len(jobs) == 1 else ''} there"
        for name, jobs in sorted(found.items())
    )
    return f"{told}; run again when all have ended (or scancel or requeue them). The configuration was not changed"
