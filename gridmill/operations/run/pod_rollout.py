"""A pod's phase over nodes that run jobs: whose jobs its change would affect, and those nodes changed in waves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gridmill.core.impact import affects_jobs
from gridmill.core.windows import closed
from gridmill.operations.document import ConvergeDocument
from gridmill.operations.hosts.reboots import reboot
from gridmill.operations.preview.impact import impact_of
from gridmill.operations.record.lease import Lease
from gridmill.operations.run.results import CONNECT, HostResult, RunResult
from gridmill.operations.run.rollout import REASON, Outcome, Rollout, Settings
from gridmill.operations.slurm.control import SlurmControl

PAUSE_POLL_S = 10.0

Play = Callable[[set[str]], None]
"""Converges hosts, and records what came of it."""


def affected(predicted: RunResult, names: set[str], feature_of: Callable[[str], str]) -> dict[str, str]:
    """Those nodes whose predicted change would affect jobs, with the reason; a node that could not be predicted is one.

    `feature_of` says which feature from elsewhere brings a role. A node that does not answer is not among them: it is
    tried with the others, fails, and delays none of them.
    """
    found: dict[str, str] = {}
    for name in sorted(names):
        host = predicted.hosts[name]
        if any(failure.startswith(CONNECT) for failure in host.failures):
            continue
        if host.failures or not host.finished:
            found[name] = "what the change does there could not be predicted"
            continue
        for change in host.changes:
            role, _, task = change.partition(" : ")
            impact = impact_of(role, task, host.what.get(change, []), feature_of(role))
            if affects_jobs(impact.impact):
                found[name] = impact.why
                break
    return found


def left_drained(document: ConvergeDocument, compute: set[str], todo: set[str]) -> dict[str, str]:
    """Nodes that an earlier rollout drained and did not finish, with why they are changed in a wave again.

    One that it did finish, and was cut off before it resumed it, is resumed.
    """
    slurm = slurm_of(document)
    mine = {name for name, reason in slurm.drained().items() if reason.startswith(REASON)} & compute
    slurm.resume(mine - todo)
    return dict.fromkeys(sorted(mine & todo), "an earlier run did not finish there")


def slurm_of(document: ConvergeDocument) -> SlurmControl:
    """Slurm, over the document's first controller."""
    name, controller = next(iter(document.data["controllers"].items()))
    return SlurmControl(document.connection, name, controller["address"])


def settings_of(data: Mapping[str, Any]) -> Settings:
    """The document's settings for rollouts."""
    return Settings(
        steps=tuple(data["waves"]),
        failures=data["failures"],
        requeue=data["jobs"] == "requeue",
        patience_s=data["wait_s"],
        reboot=data["reboot"],
    )


class PodMachines:
    """What is done to a pod's machines."""

    def __init__(self, document: ConvergeDocument, result: RunResult, play: Play) -> None:
        self._document = document
        self._result = result
        self._play = play

    def change(self, nodes: list[str]) -> Mapping[str, str]:
        """Converge and verify these; what is wrong by node. Changes of an earlier pass stay in the result."""
        for name in nodes:
            before = self._result.hosts.get(name, HostResult())
            self._result.hosts[name] = HostResult(changes=before.changes, what=before.what)
        self._play(set(nodes))
        return {name: self._result.problem(name) for name in nodes if not self._result.host_ok(name)}

    def reboot_due(self, nodes: list[str]) -> Mapping[str, str]:
        """Why a reboot is due, by node."""
        return {name: reason for name in nodes if (reason := self._result.reboot(name))}

    def reboot(self, nodes: list[str]) -> Mapping[str, str]:
        """Restart these and wait for them; what is wrong by node."""
        addresses = {name: self._document.addresses[name] for name in nodes}
        return reboot(self._document.connection, addresses)


class Halt:
    """Why no further wave may begin; waits while somebody has it paused."""

    def __init__(self, data: Mapping[str, Any], lease: Lease | None, say: Callable[[str], None]) -> None:
        self._windows = data["windows"]
        self._timezone = data["timezone"]
        self._lease = lease
        self._say = say

    def __call__(self) -> str:
        """Empty to go on."""
        told = False
        while order := self._lease.halt() if self._lease else {}:
            if order["order"] == "abort":
                return f"aborted by {order['by']}"
            if not told:
                self._say(f"paused by {order['by']}; `gridmill rollout SITE continue` goes on")
                told = True
            time.sleep(PAUSE_POLL_S)
        return closed(self._windows, datetime.now(ZoneInfo(self._timezone)).replace(tzinfo=None))


def roll(
    document: ConvergeDocument, result: RunResult, nodes: Mapping[str, str], lease: Lease | None, *, play: Play,
    say: Callable[[str], None],
) -> Outcome:  # fmt: skip
    """Change these nodes (with why jobs would be affected) in waves, and record in the result what was not done."""
    data = document.data["rollout"]
    reasons = "; ".join(sorted(set(nodes.values())))
    say(f"{len(nodes)} nodes are drained and changed in waves: {reasons}")
    rollout = Rollout(
        settings_of(data), slurm_of(document), PodMachines(document, result, play), say, halted=Halt(data, lease, say)
    )
    outcome = rollout.run(sorted(nodes), len(document.data["groups"]["compute"]["hosts"]))
    result.unfinished |= {
        name: f"job {', '.join(jobs)} runs there; it is drained" for name, jobs in outcome.waiting.items()
    }
    result.unfinished |= dict.fromkeys(outcome.left, f"not begun: {outcome.stopped}")
    return outcome
