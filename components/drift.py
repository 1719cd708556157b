"""Drift in previews and updates, for stacks with `changes.drift: check`: what was changed by hand becomes an input of
the phase, so that a preview shows it and an update repairs it.

The input is a variable in the environment of the phase's command: when machines were checked, and which of them
differed. Where nothing differs, or that is not known, the engine keeps the previous input (`ignore_changes`), so no
change shows.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi

from gridmill.core.hostlist import fold
from gridmill.kernel.site_plan import ChangesPlan
from gridmill.operations.places import find_project
from gridmill.report.predicted_changes import by_reason, machines

from .composed import Composed
from .host_preview import GRACE_S, preview_mode

DRIFT_ENV = "GRIDMILL_DRIFT"
"""Name of that variable."""
GIVEN = "GRIDMILL_HAND_CHANGES"
"""A file with what is known already, so that no machine is asked."""


@dataclass(frozen=True)
class HandChanges:
    """What was changed by hand, by machine and phase."""

    at: str = ""
    hosts: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, site: str, changes: ChangesPlan, composed: Composed | None = None) -> "HandChanges":
        """What drift checks find; empty where the stack does not ask for them, or no machine is to be asked."""
        given = os.environ.get(GIVEN)
        if not changes.checks_drift or (preview_mode() == "plan" and not given):
            if pulumi.runtime.is_dry_run():
                why = "GRIDMILL_PREVIEW is plan" if changes.checks_drift else "changes.drift is not `check`"
                pulumi.log.info(f"drift was not looked for: {why}; `gridmill drift {site}` does")
            return cls()
        found = look(site, changes.preview_limit_s, composed)
        if pulumi.runtime.is_dry_run():
            tell(found, f"{site}: " if composed else "")
        return cls(found["at"], found["hosts"])

    def input_of(self, scope: str) -> str:
        """The input of one phase; empty where nothing differs."""
        names = [name for name, phases in self.hosts.items() if scope in phases]
        return f"{self.at} {','.join(fold(names))}" if names else ""


def look(site: str, limit_s: float, composed: Composed | None = None) -> dict[str, Any]:
    """What the command found; whatever goes wrong with it is a complaint. A definition that is not
    the stack's own goes along."""
    more = ["--fresh"] if pulumi.runtime.is_dry_run() else []
    given = None
    if composed:
        given = json.dumps({"definition": composed.definition, "directory": str(Path(composed.directory).absolute())})
        more.append("--composed")
    command = [
        sys.executable,
        "-m",
        "gridmill.operations.preview.hand_changes",
        site,
        "--within",
        f"{limit_s:.1f}",
        *more,
    ]
    try:
        done = subprocess.run(
            command, cwd=find_project(), input=given or "", capture_output=True, text=True, check=False,
            timeout=limit_s + GRACE_S,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return _unknown("the time limit is up")
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return _unknown(lines[-1])
    return found


def _unknown(why: str) -> dict[str, Any]:
    """Nothing was found, as the command itself would say it."""
    return {"at": "", "hosts": {}, "unseen": {}, "complaint": why}


def tell(found: Mapping[str, Any], before: str = "") -> None:
    """Say it in the preview: what differs, and who could not be looked at. `before` tells several sites apart."""
    same: dict[str, list[str]] = {}
    for name, phases in found["hosts"].items():
        for scope, differences in phases.items():
            for line in differences:
                same.setdefault(f"{scope}: {line}", []).append(name)
    if same:
        lines = [f"  {machines(names)}  {line}" for line, names in same.items()]
        pulumi.log.warn("\n".join([f"{before}not as the last run left it; an update puts it back:", *lines]))
    if found["complaint"]:
        pulumi.log.warn(f"{before}drift is not known: {found['complaint']}")
    for why, names in by_reason(found["unseen"]):
        pulumi.log.info(f"{before}drift is not known of {machines(names)}: {why}")
