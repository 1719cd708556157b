"""Random faults, one every few seconds, while `pulumi up` works: afterwards the same command converges the site.

Everything random follows from one number, which is printed: GRIDMILL_SOAK_SEED repeats a run, GRIDMILL_SOAK_ROUNDS says
how many there are. Not part of `make test`: see `make soak`.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import time

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.faults import PROCESSES, Run, again, change, hit, key_comment, none_stays
from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.soak]

SEED = int(os.environ.get("GRIDMILL_SOAK_SEED") or secrets.randbelow(2**31))
ROUNDS = int(os.environ.get("GRIDMILL_SOAK_ROUNDS") or 5)
EVERY_S = 5.0
FAULTS = 6
"""At most so many in one round."""
MACHINES = [NODES[role][0] for role in ("gpu1", "gpu2", "store", "controller")]


class Thrash:
    """One round: what was done to the site, in order, and what must be put back."""

    def __init__(self, site: SiteCopy, number: int) -> None:
        self.site = site
        self.random = random.Random(f"{SEED}/{number}")
        self.done: list[str] = []
        self.pulled: set[str] = set()

    def fault(self, at: float) -> None:
        """One more of any kind; at least one machine is always left alone."""
        kind = self.random.choice(["power", "cable", "process", "mend"])
        if kind == "process":
            what = self.random.choice(sorted(PROCESSES))
            number = self.random.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            self.done.append(f"{at:.1f} s: {what} {number.name}{'' if hit(self.site, what, number) else ' (none ran)'}")
            return
        if kind == "mend" or len(self.pulled) == len(MACHINES) - 1:
            self.mend(at)
            return
        node = self.random.choice([name for name in MACHINES if name not in self.pulled])
        self.site.lab("unplug", node, *(["--power"] if kind == "power" else []))
        self.pulled.add(node)
        self.done.append(f"{at:.1f} s: {node} without {kind}")

    def mend(self, at: float) -> None:
        """Put everything back."""
        for node in sorted(self.pulled):
            self.site.lab("plug", node)
            self.done.append(f"{at:.1f} s: {node} back")
        self.pulled.clear()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_site_converges_after_whatever_happens(site: SiteCopy, controller: Host, number: int) -> None:
    mark = change(site)
    run = Run(site)
    thrash = Thrash(site, number)
    try:
        for _ in range(FAULTS):
            time.sleep(EVERY_S * (0.5 + thrash.random.random()))
            if run.process.poll() is not None:
                break
            thrash.fault(time.monotonic() - run.started)
    finally:
        thrash.mend(time.monotonic() - run.started)
        print(f"GRIDMILL_SOAK_SEED={SEED}, round {number}:", *thrash.done, sep="\n  ")
    first = run.end()
    assert "Traceback" not in first.text, first.text[-3000:]
    none_stays(site)
    done = again(site)
    assert done.status == 0, done.text[-4000:]
    assert {node: key_comment(site, node) for node in MACHINES} == dict.fromkeys(MACHINES, mark)
    assert set(controller.check_output("sinfo -hNo '%t'").split()) == {"idle"}
    site.pulumi("preview", "--expect-no-changes")


def test_nothing_is_left_to_be_done_anywhere(site: SiteCopy) -> None:
    for phase in site.phases():
        assert not any(site.converge(phase, "check").values()), phase
