"""Jobs that run on given nodes, asked of the controller; nothing is changed."""

from __future__ import annotations

from collections.abc import Set

from gridmill.core.hostlist import names
from gridmill.operations.document import Connection
from gridmill.operations.hosts.ssh import run_as_root

FORMAT = "%A|%u|%P|%M|%T|%N"
HOLDING = "running,suspended,completing,stopped"
"""States in which a job holds its nodes (squeue(1), JOB STATE CODES)."""
TIMEOUT_S = 10
MOST = 1000
"""Jobs that are looked at; more are not told one by one anyway."""


def running_jobs(connection: Connection, name: str, address: str, nodes: Set[str]) -> list[dict[str, str]]:
    """Jobs that hold any of these nodes, by number; OperationError when the controller does not say within 10 s."""
    script = f"squeue --noheader --states={HOLDING} --format='{FORMAT}' | head -n {MOST}"
    words = ["timeout", str(TIMEOUT_S), "sh", "-c", script]
    output = run_as_root(connection, name, address, words, what="squeue", timeout_s=TIMEOUT_S + 5)
    return jobs_on(output, nodes)


def jobs_on(output: str, nodes: Set[str]) -> list[dict[str, str]]:
    """Those jobs in squeue's output that hold any of these nodes."""
    found = []
    for line in output.splitlines():
        match line.strip().split("|"):
            case [job, user, partition, elapsed, state, where]:
                held = set(names(where)) & nodes
                if held:
                    row = {"job": job, "user": user, "partition": partition, "elapsed": elapsed, "state": state.lower()}
                    found.append({**row, "nodes": ",".join(sorted(held))})
    return found
