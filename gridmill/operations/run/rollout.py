"""Changes nodes that run jobs, a wave at a time: drain, wait for jobs, change, reboot where due, check, resume.

Nothing is resumed unchecked, and nothing is resumed that somebody else drained. A rollout that was cut off leaves its
nodes drained under its own reason; the next run finds them by it, changes them first, and resumes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gridmill.core.waves import waves

REASON = "changed by Gridmill"
"""Why nodes of a rollout are drained, as Slurm shows it; nodes with another reason are somebody else's."""
FAILED = f"{REASON}: its checks failed"
POLL_S = 5.0


@dataclass(frozen=True)
class Settings:
    """How a rollout goes."""

    steps: tuple[str, ...]
    """Sizes of the waves: nodes, or shares of the pod's nodes that run jobs."""
    failures: int
    """Nodes that may fail before it stops."""
    requeue: bool
    """Whether jobs are requeued; by default they may end."""
    patience_s: float
    """How long a wave waits for jobs to end; nodes that are not free by then stay drained for the next run."""
    reboot: bool
    """Whether a machine may be restarted when its change says that a reboot is due."""


class Slurm(Protocol):
    """What is asked of the controller."""

    def drained(self) -> Mapping[str, str]:
        """Reason by node, of all that are drained or draining."""

    def drain(self, nodes: Iterable[str], reason: str) -> None:
        """Nothing new starts there."""

    def resume(self, nodes: Iterable[str]) -> None:
        """Jobs may start there again."""

    def jobs(self, nodes: Iterable[str]) -> Mapping[str, list[str]]:
        """Jobs by node, for nodes that have some."""

    def requeue(self, jobs: Iterable[str]) -> None:
        """Put jobs back into the queue; one that may not be requeued goes on."""


class Machines(Protocol):
    """What is done to machines."""

    def change(self, nodes: list[str]) -> Mapping[str, str]:
        """Converge and verify these; what is wrong by node, for those that are not ok."""

    def reboot_due(self, nodes: list[str]) -> Mapping[str, str]:
        """Why a reboot is due, by node."""

    def reboot(self, nodes: list[str]) -> Mapping[str, str]:
        """Restart these and wait for them; what is wrong by node, for those that do not come back."""


@dataclass
class Outcome:
    """What became of the nodes."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, list[str]] = field(default_factory=dict)
    """Nodes that were not free in time, with their jobs."""
    left: list[str] = field(default_factory=list)
    """Nodes that it did not come to."""
    stopped: str = ""
    """Why it stopped before its end."""


class Rollout:
    """One rollout over the nodes of a pod."""

    def __init__(
        self,
        settings: Settings,
        slurm: Slurm,
        machines: Machines,
        say: Callable[[str], None],
        *,
        halted: Callable[[], str] = lambda: "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`halted` says, before each wave, why no further one may begin; empty to go on."""
        self._settings = settings
        self._slurm = slurm
        self._machines = machines
        self._say = say
        self._halted = halted
        self._sleep = sleep
        self._clock = clock

    def run(self, nodes: list[str], of: int) -> Outcome:
        """Change `nodes` of a pod that has `of` nodes which run jobs."""
        outcome = Outcome()
        held = {name for name, reason in self._slurm.drained().items() if reason.startswith(REASON)}
        ordered = sorted(nodes, key=lambda name: name not in held)
        planned = waves(ordered, self._settings.steps, of)
        started = self._clock()
        for number, wave in enumerate(planned, 1):
            if reason := self._halted() or self._exhausted(outcome):
                outcome.stopped = reason
                outcome.left = [name for rest in planned[number - 1 :] for name in rest]
                break
            self._say(f"wave {number} of {len(planned)}: {', '.join(wave)}{self._remaining(started, outcome, nodes)}")
            self._wave(wave, outcome)
        return outcome

    def _exhausted(self, outcome: Outcome) -> str:
        if len(outcome.failed) > self._settings.failures:
            failed = ", ".join(sorted(outcome.failed))
            return f"{failed} failed, and the stack allows {self._settings.failures} failed nodes"
        return ""

    def _remaining(self, started: float, outcome: Outcome, nodes: list[str]) -> str:
        """How long the rest will take at the pace so far."""
        finished = len(outcome.done) + len(outcome.failed)
        if not finished:
            return ""
        seconds = (self._clock() - started) / finished * (len(nodes) - finished)
        return f"; about {seconds / 60:.0f} min left" if seconds >= 60 else f"; about {seconds:.0f} s left"  # noqa: PLR2004

    def _wave(self, wave: list[str], outcome: Outcome) -> None:
        before = self._slurm.drained()
        self._slurm.drain([name for name in wave if name not in before], REASON)
        mine = {name for name in wave if before.get(name, REASON).startswith(REASON)}
        busy = self._wait(wave)
        outcome.waiting |= busy
        free = [name for name in wave if name not in busy]
        wrong = dict(self._change(free)) if free else {}
        outcome.failed |= wrong
        good = [name for name in free if name not in wrong]
        outcome.done += good
        self._slurm.resume([name for name in good if name in mine])
        self._slurm.drain([name for name in wrong if name in mine], FAILED)

    def _wait(self, wave: list[str]) -> dict[str, list[str]]:
        """Until no job runs on any of these, or patience ends; the jobs that still do."""
        until = self._clock() + self._settings.patience_s
        told: dict[str, list[str]] = {}
        asked = False
        while busy := dict(self._slurm.jobs(wave)):
            if self._settings.requeue and not asked:
                self._slurm.requeue(sorted({job for jobs in busy.values() for job in jobs}))
                asked = True
            if busy != told:
                self._say("waiting for " + "; ".join(f"{name}: job {', '.join(jobs)}" for name, jobs in busy.items()))
                told = busy
            if self._clock() >= until:
                return busy
            self._sleep(POLL_S)
        return {}

    def _change(self, nodes: list[str]) -> Mapping[str, str]:
        """Converge, restart what must be, and check again; what is wrong by node."""
        wrong = dict(self._machines.change(nodes))
        due = self._machines.reboot_due(nodes)
        if not due:
            return wrong
        if not self._settings.reboot:
            return wrong | {name: f"{reason}; the stack does not allow a reboot" for name, reason in due.items()}
        self._say(f"restarting {', '.join(sorted(due))}")
        dead = dict(self._machines.reboot(sorted(due)))
        back = sorted(set(due) - set(dead))
        rest = {name: text for name, text in wrong.items() if name not in due}
        return rest | dead | (dict(self._machines.change(back)) if back else {})
