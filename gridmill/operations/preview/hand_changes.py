"""What was changed by hand on a site's machines, for `pulumi preview` and `up` of a stack with `changes.drift: check`.

Started by the program as `python -m gridmill.operations.preview.hand_changes STACK`. Prints one JSON line: by machine
and phase what is not as the last run left it, and when it was looked at. Every machine is asked once: an update takes
what its own preview found, and `gridmill ci preview` and `apply` hand on what they know.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from gridmill.core.errors import GridmillError
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition, load_definition
from gridmill.operations.directories import state_directory
from gridmill.operations.document import plan_connection
from gridmill.operations.dry_run import REPORT
from gridmill.operations.inspect.drift import HostDrift, site_drift
from gridmill.operations.places import stack_file
from gridmill.operations.preview.limit import time_limit
from gridmill.operations.record.runs import this_run
from gridmill.operations.run.baselines import told
from gridmill.operations.run.supervise import die_with_parent
from gridmill.plan import plan_site

GIVEN = "GRIDMILL_HAND_CHANGES"
"""A file with what is known already; then no machine is asked."""
WITHOUT_BASELINE = "no run has ended well here since"
"""A repair that failed leaves a machine without a baseline: its state is not known, and it is to be converged."""
FOUND = "hand-changes"
"""Directory beside the phases' reports of a preview; the finding is a file of this name in it."""


def hand_changes(plan: SitePlan) -> dict[str, Any]:
    """Ask every machine; what was found, as plain data. Machines that can't be asked do not fail it."""
    connection = plan_connection(plan)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())  # as in the ledger, which it is compared with
    for path in (connection.identity_file, connection.known_hosts_file):
        if not path.exists():
            return nothing(f"no machine was asked: {path.name} of the site is not on this machine")
    return {**nothing(""), "at": at, **findings(site_drift(plan))}


def nothing(complaint: str) -> dict[str, Any]:
    """Nothing is known, and why."""
    return {"at": "", "hosts": {}, "unseen": {}, "complaint": complaint}


def findings(hosts: list[HostDrift]) -> dict[str, Any]:
    """By machine and phase what differs or has no baseline, a line each; and who could not be looked at."""
    found: dict[str, dict[str, list[str]]] = {}
    for host in hosts:
        for one in host.differences:
            found.setdefault(host.name, {}).setdefault(one["phase"], []).append(told(one))
        for scope in host.unrecorded:
            found.setdefault(host.name, {}).setdefault(scope, []).append(WITHOUT_BASELINE)
    return {"hosts": found, "unseen": {host.name: host.unseen for host in hosts if host.unseen and not host.unrecorded}}


def known(stack: str, *, fresh: bool) -> dict[str, Any] | None:
    """What was handed on, or what the preview of this very update found; None to ask anew."""
    if given := os.environ.get(GIVEN):
        return _read(Path(given))
    found = None if fresh else _read(_kept(stack))
    return found["found"] if found and found["run"] == this_run().id else None


def keep(stack: str, found: dict[str, Any]) -> None:
    """Remember what a preview found, for its update, and for `gridmill ci preview`."""
    _write(_kept(stack), {"run": this_run().id, "found": found})
    if directory := os.environ.get(REPORT):
        _write(Path(directory) / FOUND / f"{FOUND}.json", found)


def _kept(stack: str) -> Path:
    return state_directory() / "sites" / stack / f"{FOUND}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def _write(path: Path, data: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps(data), encoding="utf-8")
    temporary.replace(path)


def _plan(stack: str, *, composed: bool) -> SitePlan:
    """The plan of the stack, or of a site that a program composed."""
    if not composed:
        return plan_site(load_definition(stack_file(stack)))
    given = json.load(sys.stdin)
    return plan_site(build_definition(given["definition"], Path(given["directory"])))


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0: whatever happens, there is something to read on standard output."""
    parser = argparse.ArgumentParser(prog="gridmill.operations.preview.hand_changes", description=__doc__)
    parser.add_argument("stack", help="name of the stack, which is the site's")
    parser.add_argument("--within", type=float, default=120, metavar="SECONDS", help="time limit")
    parser.add_argument("--composed", action="store_true", help="the definition comes as JSON on standard input")
    parser.add_argument("--fresh", action="store_true", help="ask, whatever a preview found before")
    options = parser.parse_args(arguments)
    die_with_parent()
    try:
        with time_limit(options.within, "the time limit of the preview is up"):
            found = known(options.stack, fresh=options.fresh)
            if found is None:
                found = hand_changes(_plan(options.stack, composed=options.composed))
                if options.fresh:
                    keep(options.stack, found)
    except (GridmillError, OSError) as error:
        found = nothing(f"no machine was asked: {error}")
    print(json.dumps({**nothing(""), **found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
