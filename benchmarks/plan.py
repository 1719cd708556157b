"""`gridmill plan` as a whole command, from the file to its output."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from benchmarks.measure import PYTHON, Row, best_run
from benchmarks.sites import write_site

NODES = 10_000
SMALL = 20
LARGEST_S = 3.0
LARGEST_MIB = 1024.0
LARGEST_EXPONENT = 1.15
"""Of the growth from 10,000 to 20,000 nodes: 1 is linear; what is over it must stay within what a run varies by."""


def benchmark() -> list[Row]:
    """Time, memory and growth of the plan of 10,000 and 20,000 nodes."""
    with tempfile.TemporaryDirectory() as name:
        runs = {}
        for nodes in (SMALL, NODES, 2 * NODES):
            place = Path(name) / str(nodes)
            place.mkdir()
            command = [PYTHON, "-m", "gridmill.operations.cli", "plan", str(write_site(place, nodes))]
            runs[nodes] = best_run(command)
    # starting Python and reading the catalogue is the same for every site, and would hide a bad exponent
    work = {nodes: runs[nodes].cpu_seconds - runs[SMALL].cpu_seconds for nodes in (NODES, 2 * NODES)}
    exponent = math.log2(work[2 * NODES] / work[NODES])
    large = runs[NODES]
    return [
        Row("plan", f"{NODES} nodes, wall", large.seconds, "s", LARGEST_S, f"{large.cpu_seconds:.2f} s of CPU"),
        Row("plan", f"{NODES} nodes, memory", large.peak_mib, "MiB", LARGEST_MIB, "peak resident set"),
        Row("plan", f"{2 * NODES} nodes, wall", runs[2 * NODES].seconds, "s"),
        Row("plan", "growth, exponent", exponent, "", LARGEST_EXPONENT, f"CPU beyond that of a site of {SMALL} nodes"),
    ]
