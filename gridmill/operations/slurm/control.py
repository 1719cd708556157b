"""Slurm's nodes and jobs, asked of and told to the first controller over SSH."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from gridmill.core.hostlist import fold, names
from gridmill.operations.document import Connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root
from gridmill.operations.slurm.jobs import HOLDING

_SET_BY = re.compile(r"\s*\[[^\[\]]*@[^\[\]]*\]$")
"""Slurm adds who set a reason, and when."""


class SlurmControl:
    """Over one controller; OperationError when it does not do what it is told."""

    def __init__(self, connection: Connection, name: str, address: str) -> None:
        self._connection = connection
        self._name = name
        self._address = address

    def drained(self) -> Mapping[str, str]:
        """Reason by node, of all that are drained or draining."""
        return parse_drained(self._run(["sinfo", "--noheader", "--Node", "--format=%N|%T|%E"]))

    def drain(self, nodes: Iterable[str], reason: str) -> None:
        """Nothing new starts there."""
        self._update(nodes, "State=DRAIN", f"Reason={reason}")

    def resume(self, nodes: Iterable[str]) -> None:
        """Jobs may start there again, once slurmd answers."""
        self._update(nodes, "State=UNDRAIN")

    def jobs(self, nodes: Iterable[str]) -> Mapping[str, list[str]]:
        """Jobs by node, for nodes that have some."""
        wanted = set(nodes)
        output = self._run(["squeue", "--noheader", f"--states={HOLDING}", "--format=%A|%N"])
        return parse_jobs(output, wanted)

    def requeue(self, jobs: Iterable[str]) -> None:
        """Put jobs back into the queue; one that may not be requeued goes on."""
        numbers = sorted(set(jobs), key=int)
        if numbers:
            script = "; ".join(f"scontrol requeue {number} || echo kept {number}" for number in numbers)
            self._run(["sh", "-c", script])

    def _update(self, nodes: Iterable[str], *words: str) -> None:
        if expressions := fold(nodes):
            self._run(["scontrol", "update", f"NodeName={','.join(expressions)}", *words])

    def _run(self, words: list[str]) -> str:
        what = shlex.join(words[:2])
        return run_as_root(self._connection, self._name, self._address, words, what=what)


def parse_drained(output: str) -> dict[str, str]:
    """What sinfo said of nodes that are drained, as `name|state|reason`."""
    found = {}
    for line in output.splitlines():
        match line.strip().split("|", 2):
            case [name, state, reason] if re.match(r"drain(ing|ed)", state):
                found[name] = _SET_BY.sub("", reason)
            case [_, _, _]:
                continue
            case _:
                raise OperationError(f"sinfo said {line!r}, which is not a node")
    return found


def parse_jobs(output: str, wanted: set[str]) -> dict[str, list[str]]:
    """What squeue said, as `number|nodes`: jobs by node, for the wanted ones."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        match line.strip().split("|"):
            case [job, where]:
                for name in names(where):
                    if name in wanted:
                        found.setdefault(name, []).append(job)
    return found
