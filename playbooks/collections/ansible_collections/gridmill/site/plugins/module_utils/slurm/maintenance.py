"""Nodes that are being worked on: pure, over Slurm's output."""

from __future__ import annotations

import re

from ansible_collections.gridmill.site.plugins.module_utils.checks.slurm import parse_fields

# Behind the reason, since Slurm shows the beginning of a long one.
MARK = " (maintenance, by Gridmill)"
# Slurm adds who set the reason, and when.
_SET_BY = re.compile(r"\s*\[[^\[\]]*@[^\[\]]*\]$")


def to_drain(wanted: dict[str, str], output: str) -> dict[str, str]:
    """Reason by node, for those of `wanted` (text by node) that Slurm knows and that are not drained for it yet.

    `output` is that of `scontrol --oneliner show nodes`.
    """
    nodes = {fields["NodeName"]: fields for line in output.splitlines() if "NodeName" in (fields := parse_fields(line))}
    reasons = {name: f"{text}{MARK}" for name, text in wanted.items() if name in nodes}
    return {
        name: reason for name, reason in reasons.items() if not _drained(nodes[name]) or _reason(nodes[name]) != reason
    }


def held(output: str) -> bool:
    """Whether a node is drained for maintenance, by `scontrol --oneliner show node NAME`."""
    fields = parse_fields(output)
    return _drained(fields) and _reason(fields).endswith(MARK)


def _reason(fields: dict[str, str]) -> str:
    return _SET_BY.sub("", fields.get("Reason", ""))


def _drained(fields: dict[str, str]) -> bool:
    return "DRAIN" in re.split(r"[+*]", fields.get("State", ""))
