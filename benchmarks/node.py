"""From a bare machine that has booted to an idle GPU node in Slurm, on a virtual site that is up already.

`python -m benchmarks node` works on the site that GRIDMILL_BENCH_STACK names (a stack file; by default the lab's). It
takes one GPU node out of the rack, puts a bare machine in its place, and does `pulumi up`, which finds the new host key
and converges that machine alone. The proxy's cache is warm, since the machine before it had the same packages;
installing them is reported apart. The machine and its GPUs are simulated; its operating system, packages, Slurm and
network connections are real.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import PYTHON, ROOT, Row, run
from gridmill.core.ranges import slots_of
from gridmill.operations.directories import state_directory

LARGEST_S = 180.0
SLOWEST = 6
"""So many tasks are listed."""
INSTALL = " : Install packages"


def benchmark() -> list[Row]:
    """Seconds until the node is idle, and what they went into."""
    stack = ROOT / os.environ.get("GRIDMILL_BENCH_STACK", "Pulumi.lab.yaml")
    name = stack.stem.removeprefix("Pulumi.")
    plan = json.loads(gridmill("plan", stack))
    pod = plan["pods"][0]
    node = [host["name"] for host in pod["hosts"] if host["gpu"] and "compute" in host["services"]][-1]
    boot = rack_anew(stack, pod["key"])
    up = run(["pulumi", "up", "--yes", "--non-interactive", "--skip-preview", "--stack", name])
    path = state_directory() / "sites" / plan["name"] / "reports" / f"{pod['key']}-apply.json"
    report = json.loads(path.read_text(encoding="utf-8"))
    state = next(one["slurm"] for one in json.loads(gridmill("status", stack))["nodes"] if one["name"] == node)
    if list(report["hosts"]) != [node] or state != "idle":
        raise RuntimeError(f"{node} is {state!r} in Slurm, and {', '.join(report['hosts'])} were converged")
    return rows(node, report, up.seconds, boot)


def rows(node: str, report: dict[str, Any], up: float, boot: float) -> list[Row]:
    """The figures of one run."""
    tasks: dict[str, float] = report["tasks"]
    installing = sum(spent for task, spent in tasks.items() if task.endswith(INSTALL))
    slowest = sorted(((spent, task) for task, spent in tasks.items() if not task.endswith(INSTALL)), reverse=True)
    kind, spent = "node, simulated", sum(tasks.values())
    return [
        Row(kind, "bare machine to idle node", report["seconds"], "s", LARGEST_S, f"{node}: {len(tasks)} tasks"),
        Row(kind, "- packages", installing, "s", note="from the proxy's cache: fetch, unpack, configure"),
        Row(kind, "- other tasks", spent - installing, "s"),
        Row(kind, "- start of Ansible, ledger", report["seconds"] - spent, "s"),
        *(Row(kind, f"  {task}", seconds, "s") for seconds, task in slowest[:SLOWEST]),
        Row(kind, "whole `pulumi up`", up, "s", note="with an acceptance job, without the boot"),
        Row(kind, "boot before that", boot, "s", note="rack, boot, read package lists"),
    ]


def gridmill(command: str, stack: Path) -> str:
    """What `gridmill COMMAND` says in JSON."""
    return run([PYTHON, "-m", "gridmill.operations.cli", command, str(stack), "--json"]).output


def rack_anew(stack: Path, pod: str) -> float:
    """Take the last GPU node out of the rack and put a bare machine there; seconds that the latter takes."""
    data = yaml.safe_load(stack.read_text(encoding="utf-8"))
    group = data["config"]["gridmill:site"]["pods"][pod]["nodes"]["gpu"]
    group["at"] = [slot for item in group["at"] for slot in slots_of(item)][:-1]
    without = ROOT / f"Pulumi.{stack.stem.removeprefix('Pulumi.')}-without.yaml"
    without.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    try:
        run([PYTHON, "-m", "gridmill.lab", "up", "--prune", "--stack", str(without)])
        return run([PYTHON, "-m", "gridmill.lab", "up", "--stack", str(stack)]).seconds
    finally:
        without.unlink()
