"""Preview on machines: a hook of every phase that has `operations.dry_run` say what the phase would change there.

The engine calls such a hook for phases that changed only, and during previews only. Phases that don't wait for each
other are asked at the same time. Machines that are off, or a site that this machine cannot reach, never fail a preview.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi

from gridmill.kernel.site_plan import AccessPlan, ChangesPlan
from gridmill.operations.directories import on_this_machine
from gridmill.operations.places import find_project

MODE = "GRIDMILL_PREVIEW"
"""`plan`: this preview asks no machine, whatever the stack says. `hosts`: it does."""
WAIT_S = 3.0
"""Seconds that machines which don't answer are waited for, over all phases of a preview."""
GRACE_S = 10
"""Seconds after the time limit in which a phase may still say what it found."""


def preview_mode() -> str:
    """What the environment says about asking machines; pulumi.RunError for anything else."""
    mode = os.environ.get(MODE, "")
    if mode not in {"", "plan", "hosts"}:
        raise pulumi.RunError(f"{MODE} is {mode!r}; expected `plan` (asks no machine) or `hosts`")
    return mode


@dataclass
class HostPreview:
    """What all phases of one preview share: the time that is left."""

    enabled: bool
    limit_s: float
    waited_s: float = 0.0
    started: float | None = field(default=None)
    before: str = ""
    """Stands before what is said, where a program has several sites."""

    @classmethod
    def of(cls, changes: ChangesPlan, access: AccessPlan, before: str = "") -> "HostPreview":
        """As the stack says, or as GRIDMILL_PREVIEW does; not where this machine has no way to the site's."""
        mode = preview_mode()
        if not pulumi.runtime.is_dry_run() or mode == "plan" or not (changes.asks_machines or mode == "hosts"):
            return cls(False, 0)
        files = [on_this_machine(text) for text in (access.identity_file, access.known_hosts_file)]
        missing = [file.name for file in files if not file.exists()]
        if missing:
            files_missing = " and ".join(missing)
            pulumi.log.info(f"{before}no machine is asked: {files_missing} of the site is not on this machine")
        return cls(not missing, changes.preview_limit_s, before=before)

    def hooks(self, name: str, document: Mapping[str, Any]) -> pulumi.ResourceHookBinding | None:
        """The hooks of one phase; none where no machine is to be asked."""
        if not self.enabled:
            return None

        async def predict(args: pulumi.ResourceHookArgs) -> None:
            await self.predict(document, args)

        hook = pulumi.ResourceHook(f"{name}-predict", predict, pulumi.ResourceHookOptions(on_dry_run=True))
        return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])

    async def predict(self, document: Mapping[str, Any], args: pulumi.ResourceHookArgs) -> None:
        """Ask, and log what came of it."""
        where = f"{self.before}{document['scope']}"
        self.started = self.started or time.monotonic()
        left = self.limit_s - (time.monotonic() - self.started)
        if left <= 0:
            pulumi.log.warn(f"{where}: no machine was asked: the preview's {self.limit_s:g} s are up")
            return
        environment = await pulumi.Output.from_input((args.new_inputs or {}).get("environment") or {}).future()
        before = await pulumi.Output.from_input((args.old_inputs or {}).get("stdin")).future()
        given = {"document": document, "before": json.loads(before) if before else None}
        answer, complaint = await self._run(json.dumps(given), environment or {}, left)
        if answer is None:
            pulumi.log.warn(f"{where}: no machine was asked: {complaint}")
            return
        self.waited_s += answer["waited"]
        open_ = answer["complaint"] or answer["unreached"] or answer["unfinished"]
        failing = any(host["failures"] for host in answer["hosts"].values())
        tell = pulumi.log.warn if open_ or failing else pulumi.log.info
        tell(self.before + "\n".join(answer["text"]))

    async def _run(self, text: str, environment: Mapping[str, str], left: float) -> tuple[dict[str, Any] | None, str]:
        """What the command printed, or why it did not."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
        wait = max(WAIT_S - self.waited_s, 1.0)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridmill.operations.dry_run", "--within", f"{left:.1f}", "--wait", f"{wait:.1f}"),
            cwd=find_project(),
            env={**inherited, **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(text.encode()), left + GRACE_S)
        except TimeoutError:
            process.kill()  # what it started ends with it
            await process.wait()
            return None, "the time limit is up"
        try:
            found: dict[str, Any] = json.loads(output)
        except ValueError:
            lines = errors.decode(errors="replace").strip().splitlines()
            return None, lines[-1] if lines else f"it ended with status {process.returncode}"
        return found, ""
