"""The machines of a phase that drifted, as the engine hands them to the runner."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gridmill.core.hostlist import names
from gridmill.operations.record.ledger import Entry

DRIFT_ENV = "GRIDMILL_DRIFT"
"""`TIME EXPRESSIONS`; see components/drift.py. Not a digest of the phase: it concerns these machines only."""


@dataclass(frozen=True)
class Drifted:
    """Which machines differed from their baselines, and when they were looked at."""

    at: str = ""
    hosts: frozenset[str] = frozenset()

    @classmethod
    def take(cls) -> Drifted:
        """From the environment, which then no longer has it."""
        at, _, expressions = os.environ.pop(DRIFT_ENV, "").partition(" ")
        return cls(at, frozenset(names(expressions)))

    def open(self, entries: Mapping[str, Entry]) -> set[str]:
        """Those that were not converged since: none after a repair, of which the engine keeps the previous input."""
        return {name for name in self.hosts if name in entries and entries[name].at <= self.at}
