"""Runs benchmarks: all, or those that are named. Ends with status 1 when a target was missed."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys

from benchmarks.measure import table

NAMES = ("plan", "power", "inventory", "preview", "node", "judge", "drift", "apply", "added", "kills")
DEFAULT = ("plan", "power", "inventory", "preview")


def main() -> int:
    """Exit status 0 when every target was met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(NAMES)}; by default {', '.join(DEFAULT)}")
    parser.add_argument("--json", action="store_true", help="for machines")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"{', '.join(sorted(unknown))} is not a benchmark; there are {', '.join(NAMES)}")
    rows = []
    for name in options.names or DEFAULT:
        rows += importlib.import_module(f"benchmarks.{name}").benchmark()
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if options.json:
        print(json.dumps({"load": load, "cores": cores, "rows": [row.as_dict() for row in rows]}, indent=2))
    else:
        busy = f"\nload {load:.1f} on {cores} cores: others work here, and times are longer than the work" * (
            load > cores
        )
        print(table(rows) + busy)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
