"""The site's power as Slurm has it: the licence, and jobs that have no watts yet. Pure, over Slurm's output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.checks.slurm import parse_fields
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

LICENSE = "watts"
# Jobs that draw power, or will; a suffix instead of a width keeps squeue from cutting a field.
JOBS = [
    *("squeue", "--noheader", "--all", "--states=PENDING,CONFIGURING,RUNNING,SUSPENDED"),
    "--Format=JobID:|,Partition:|,State:|,NumNodes:|,MaxNodes:|,NumTasks:|,OverSubscribe:|,tres:|,Licenses:|",
]


def check(wanted: dict[str, Any], run: Run) -> Check:
    """Slurm hands out `total` watts, and every job goes through the plugin that makes it take its own."""
    expected = f"{wanted['total']} W, taken by every job"
    licenses = run(["scontrol", "--oneliner", "show", "licenses", LICENSE])
    config = run(["scontrol", "show", "config"])
    if not licenses.ok or not config.ok:
        failed = config if licenses.ok else licenses
        return result("slurm_watts", ok=False, expected=expected, found=failed.complaint(), hint="is slurmctld up?")
    total = parse_fields(licenses.output).get("Total", "no")
    plugins = re.search(r"^JobSubmitPlugins\s*=\s*(\S+)", config.output, re.MULTILINE)
    loaded = plugins is not None and "lua" in plugins[1].split(",")
    return result(
        "slurm_watts",
        ok=total == str(wanted["total"]) and loaded,
        expected=expected,
        found=f"{total} W, " + ("taken by every job" if loaded else "and jobs need not take any: no job_submit/lua"),
        hint="converge the controller; scontrol show licenses, scontrol show config",
    )


@dataclass(frozen=True)
class Kind:
    """What a job takes in a partition, in W; as the plan says it."""

    nodes: int
    node_w: int
    gpu_w: int
    cpu_w: int
    mixed: bool


def kind_of(values: dict[str, Any]) -> Kind:
    """From the plan's values. KeyError when one is missing."""
    nodes, node_w, gpu_w, cpu_w = (int(values[name]) for name in ("nodes", "node_w", "gpu_w", "cpu_w"))
    return Kind(nodes, node_w, gpu_w, cpu_w, bool(values["mixed"]))


def short_of_watts(output: str, kinds: dict[str, Kind]) -> dict[str, tuple[int, str]]:
    """Watts, and licences with them, by job, for those that hold less than what they have or ask for takes.

    `output` is that of JOBS. A job that waits is taken at its most nodes.
    """
    found = {}
    for line in output.splitlines():
        match line.strip().split("|"):
            case [job, partitions, *rest, tres, licenses, ""]:
                asked = _asked(rest, tres)
                takes = max((_takes(asked, kinds[name]) for name in partitions.split(",") if name in kinds), default=0)
                others, held = _taken_apart(licenses)
                if held < takes:
                    found[job] = (takes, ",".join([*others, f"{LICENSE}:{takes}"]))
    return found


@dataclass(frozen=True)
class _Asked:
    nodes: int
    at_most: int
    """Nodes; 0 for a job that doesn't say."""
    whole: bool
    waits: bool
    tasks: int
    tres: dict[str, int]


def _asked(fields: list[str], tres: str) -> _Asked:
    state, nodes, most, tasks, shares = fields
    counts = {
        name: int(count) for name, _, count in (pair.partition("=") for pair in tres.split(",")) if count.isdigit()
    }
    whole = shares not in ("OK", "YES")
    return _Asked(int(nodes), int(most), whole, state == "PENDING", int(tasks), counts)


def _takes(asked: _Asked, kind: Kind) -> int:
    nodes, times = asked.nodes, 1
    if asked.waits:
        nodes = max(nodes, min(asked.at_most or asked.tasks, kind.nodes))
        times = -(-nodes // asked.tres.get("node", nodes))
    if asked.whole or "cpu" not in asked.tres:
        return nodes * kind.node_w
    for_gpus = asked.tres.get("gres/gpu", 0) * times * kind.gpu_w
    for_cpus = asked.tres["cpu"] * kind.cpu_w
    share = for_gpus + for_cpus if kind.mixed else max(for_gpus, for_cpus)
    return min(nodes * kind.node_w, max(share, nodes * kind.gpu_w))


def _taken_apart(licenses: str) -> tuple[list[str], int]:
    others, held = [], 0
    for item in re.split(r"[,;]", licenses):
        name, _, count = item.replace("=", ":").partition(":")
        if name == LICENSE:
            held += int(count or 1)
        elif item not in ("", "(null)"):
            others.append(item)
    return others, held
