"""Checks of Slurm: nodes, partitions and accounting, as the controller sees them."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

OUT_REASON = "out of service, by Gridmill"
ROLLOUT_REASON = "changed by Gridmill"
"""A rollout drains its nodes with a reason that begins so, and resumes them when they were found well."""
# What a node that works is also in at times: kept free for a planned job or a reservation, or cleaning up after a job.
PASSING = frozenset({"PLANNED", "COMPLETING", "RESERVED"})


def parse_fields(line: str) -> dict[str, str]:
    """Fields of one line of `scontrol --oneliner show`; a value may hold blanks (Reason=, OS=)."""
    pieces = re.split(r"(?:^|\s)([A-Za-z][A-Za-z0-9_/:]*)=", line.strip())
    return {key: value.strip() for key, value in zip(pieces[1::2], pieces[2::2], strict=True)}


def split_gres(text: str) -> list[str]:
    """Generic resources of a node without socket notes: gpu:h100:8(S:0-1),shard:4 -> [gpu:h100:8, shard:4]."""
    plain = re.sub(r"\([^)]*\)", "", text)
    return [part for part in plain.split(",") if part and part != "null"]


def node(wanted: dict[str, Any], run: Run) -> Check:
    """Node `name` is in one of `states` and offers `gres`. Flags count (IDLE+DRAIN is not IDLE), passing ones don't.

    Nor does the drain of a rollout, which waits for this check before it resumes the node.
    """
    name, gres = str(wanted["name"]), str(wanted.get("gres", ""))
    states = [str(state).upper() for state in wanted.get("states", ["IDLE", "MIXED", "ALLOCATED"])]
    check, expected = f"slurm_node {name}", " or ".join(states) + (f" with {gres}" if gres else "")
    answer = run(["scontrol", "--oneliner", "show", "node", name])
    if not answer.ok:
        hint = "is slurmctld up, and is the node in the plan?"
        return result(check, ok=False, expected=expected, found=answer.complaint(), hint=hint)
    fields = parse_fields(answer.output)
    state = fields.get("State", "unknown")
    offered = split_gres(fields.get("Gres", ""))
    reason = fields.get("Reason", "")
    passing = PASSING | ({"DRAIN"} if reason.startswith(ROLLOUT_REASON) else frozenset())
    lasting = "+".join(part for part in state.upper().split("+") if part not in passing)
    return result(
        check,
        ok=lasting in states and (not gres or gres in offered),
        expected=expected,
        found=f"{state} with {', '.join(offered) or 'no gres'}" + (f", reason: {reason}" if reason else ""),
        hint="journalctl --unit slurmd on the node, --unit slurmctld on the controller",
    )


def partition(wanted: dict[str, Any], run: Run) -> Check:
    """Partition `name` is UP and holds `nodes` nodes (a number)."""
    name, nodes = str(wanted["name"]), wanted.get("nodes")
    check = f"slurm_partition {name}"
    expected = "UP" if nodes is None else f"UP with {nodes} nodes"
    answer = run(["scontrol", "--oneliner", "show", "partition", name])
    if not answer.ok:
        return result(check, ok=False, expected=expected, found=answer.complaint(), hint="scontrol show partition")
    fields = parse_fields(answer.output)
    state, total = fields.get("State", "unknown"), fields.get("TotalNodes", "unknown")
    return result(
        check,
        ok=state == "UP" and (nodes is None or total == str(nodes)),
        expected=expected,
        found=f"{state} with {total} nodes",
        hint="scontrol show partition on the controller",
    )


def accounting(wanted: dict[str, Any], run: Run) -> Check:
    """slurmdbd answers, knows `cluster`, and a controller of that cluster has registered with it."""
    cluster = str(wanted["cluster"])
    expected = f"{cluster} registered"
    answer = run(["sacctmgr", "--noheader", "--parsable2", "show", "cluster", "format=cluster,controlhost,controlport"])
    if not answer.ok:
        found, ok = answer.complaint(), False
    else:
        rows: dict[str, list[str]] = {}
        for line in answer.output.splitlines():
            name, *rest = line.split("|")
            rows[name] = rest
        host, port = [*rows.get(cluster, []), "", ""][:2]
        ok = bool(host) and port not in ("", "0")
        known = ", ".join(sorted(rows)) or "none"
        found = expected if ok else (f"{cluster} without a controller" if cluster in rows else f"clusters: {known}")
    hint = "journalctl --unit slurmdbd on the controller"
    return result("accounting", ok=ok, expected=expected, found=found, hint=hint)


def nodes_to_take_out(names: list[str], output: str) -> list[str]:
    """Those of `names` that `scontrol --oneliner show nodes` lists and that were not taken out yet, in order."""
    nodes = _nodes(output)
    return [
        name
        for name in names
        if name in nodes and not (_taken(nodes[name]) and _flags(nodes[name]) & {"DOWN", "DRAIN"})
    ]


def nodes_to_leave_down(names: list[str], output: str) -> list[str]:
    """Those of `names` that were taken out and are still drained, in order."""
    nodes = _nodes(output)
    return [name for name in names if name in nodes and _taken(nodes[name]) and "DRAIN" in _flags(nodes[name])]


def _nodes(output: str) -> dict[str, dict[str, str]]:
    return {fields["NodeName"]: fields for line in output.splitlines() if (fields := parse_fields(line))}


def _flags(fields: dict[str, str]) -> set[str]:
    return set(re.split(r"[+*]", fields.get("State", "")))


def _taken(fields: dict[str, str]) -> bool:
    return fields.get("Reason", "").startswith(OUT_REASON)
