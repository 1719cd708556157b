"""The seam: the one user of pulumi_command. One `local.Command` per phase carries a document to the runner.

What was learned about pulumi-command, and holds here: a changed `stdin` or `environment` updates in place, a changed
`triggers` replaces (so there are none); `delete` runs as it was recorded; previous output must not come back in the
environment, or it grows past what execve takes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_command import local

from .drift import DRIFT_ENV
from .host_preview import HostPreview

RUNNER = "exec ./.venv/bin/python -m gridmill.operations.converge"
"""Relative: the engine starts commands in the project's directory, and no machine's path gets into the state."""

APPLY_TIMEOUT = "120m"


@dataclass(frozen=True)
class PhaseRun:
    """One run of the runner: what it gets, and what makes it run again."""

    document: Mapping[str, Any]
    """The converge document: plain data without secrets, so that a preview shows its difference key by key."""
    digests: Mapping[str, str]
    """Digests (roles, other phases) whose change runs the phase again."""
    secrets: Mapping[str, pulumi.Output[str]] = field(default_factory=dict)
    """Secret outputs by name; they reach the runner as secret environment variables GRIDMILL_SECRET_<NAME>."""
    depends_on: Sequence[pulumi.Resource] = ()
    """Runs that come first, and whose removal comes last."""
    preview: HostPreview | None = None
    """Asks the phase's machines during a preview what would change; None for a phase that is not to be asked."""
    drift: str | None = None
    """What was changed by hand on its machines (components/drift.py), empty where nothing was; None for a phase without
    such an input."""


def ansible_run(name: str, phase: PhaseRun, *, parent: pulumi.Resource) -> local.Command:
    """The command that converges the hosts of one phase, and on removal decommissions them."""
    environment: dict[str, pulumi.Input[str]] = {
        f"GRIDMILL_DIGEST_{key.upper()}": value for key, value in phase.digests.items()
    }
    environment |= {f"GRIDMILL_SECRET_{key.upper()}": value for key, value in phase.secrets.items()}
    if phase.drift:
        environment[DRIFT_ENV] = phase.drift
    hooks = phase.preview.hooks(name, phase.document) if phase.preview else None
    return local.Command(
        name,
        create=f"{RUNNER} apply",
        delete=f"{RUNNER} remove" if "decommission" in phase.document else None,
        stdin=json.dumps(phase.document, separators=(",", ":"), ensure_ascii=False),
        environment=environment,
        add_previous_output_in_env=False,
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=[] if hooks else list(phase.depends_on),  # in a preview all phases are asked at the same time
            hooks=hooks,
            ignore_changes=[f"environment.{DRIFT_ENV}"]
            if phase.drift == ""
            else None,  # what was repaired stays an input
            custom_timeouts=pulumi.CustomTimeouts(create=APPLY_TIMEOUT, update=APPLY_TIMEOUT),
        ),
    )


def document_digest(document: Mapping[str, Any]) -> str:
    """Short digest of a document, for phases that must run again when another phase's content changes."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
