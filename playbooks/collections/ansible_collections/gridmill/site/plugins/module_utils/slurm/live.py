"""What slurmctld works with, as far as a plan decides it: `scontrol update` and `setdebug` change it without a file."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

LAPSES = frozenset({"BOOT_TIME", "HASH_VAL", "NEXT_JOB_ID", "SLURM_VERSION"})
"""Parameters that change by themselves."""
OF_NODES = ("NodeName", "CPUTot", "Boards", "Sockets", "CoresPerSocket", "ThreadsPerCore", "RealMemory", "Gres",
            "AvailableFeatures", "Weight")  # fmt: skip
SUMS = frozenset({"TotalNodes", "TotalCPUs", "TRES"})
"""What of a partition only adds up its nodes."""
PARAMETER = re.compile(r"^(\S+)\s+= (.*)$")
PLACES = re.compile(r"\([^)]*\)")
"""The sockets of a node's GPUs, `gpu:h100:8(S:0-1)`, which slurmctld knows once the node's slurmd has told it."""
WORD = re.compile(r"(?:^|\s)([A-Za-z]+)=(\S*)")


def configuration(run: Run) -> tuple[dict[str, str], str]:
    """Values by name, and the complaint when slurmctld does not answer."""
    found: dict[str, str] = {}
    for what in ("config", "nodes", "partitions"):
        answer = run(["scontrol", "--oneliner", "show", what])
        if not answer.ok:
            return {}, f"scontrol show {what}: {answer.complaint()}"
        found |= {"config": _parameters, "nodes": _nodes, "partitions": _partitions}[what](answer.output)
    return found, ""


def _parameters(output: str) -> dict[str, str]:
    rows = [match.groups() for line in output.splitlines() if (match := PARAMETER.match(line))]
    return {name: value.strip() for name, value in rows if name not in LAPSES}


def _nodes(output: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in output.splitlines():
        words = dict(WORD.findall(line))
        found |= {f"node {words['NodeName']}": ""} if "NodeName" in words else {}
        found |= {
            f"node {words['NodeName']} {name}": PLACES.sub("", words[name]) for name in OF_NODES[1:] if name in words
        }
    return found


def _partitions(output: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in output.splitlines():
        words = dict(WORD.findall(line))
        name = words.pop("PartitionName", "")
        found |= {f"partition {name} {key}": value for key, value in words.items() if key not in SUMS and name}
    return found


def difference(before: Any, after: Any) -> str:
    """What is different, by name."""
    old, new = before or {}, after or {}
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return "; ".join(f"{name} is {new.get(name, 'gone')}, was {old.get(name, 'not there')}" for name in names)
