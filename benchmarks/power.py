"""`gridmill power` as a whole command: every limit per phase, every single loss, and the caps that hold all of them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, Row, best_run
from benchmarks.sites import write_site

NODES = 10_000
LARGEST_S = 10.0


def benchmark() -> list[Row]:
    """Time and memory of the power plan of 10,000 nodes with two feeds, PDUs in every rack, N-1 and planned caps."""
    with tempfile.TemporaryDirectory() as name:
        command = [PYTHON, "-m", "gridmill.operations.cli", "power", str(write_site(Path(name), NODES, feeds=True))]
        run = best_run(command)
    note = f"{run.cpu_seconds:.2f} s of CPU, {run.peak_mib:.0f} MiB"
    return [Row("power", f"{NODES} nodes with N-1 and planned caps, wall", run.seconds, "s", LARGEST_S, note)]
