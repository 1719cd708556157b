"""Runs a playbook as bundles: `python -m gridmill.operations.bundle.run --name PHASE INVENTORY PLAYBOOK [--check]`.

Takes the place of ansible-playbook below operations.run.ansible: same inventory, log, events and exit status.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from gridmill.operations.bundle.ansible_internals import AnsibleError
from gridmill.operations.bundle.client import Client, Job, Where
from gridmill.operations.bundle.code import code_of
from gridmill.operations.bundle.errors import NotCompilableError, TaskFailedError
from gridmill.operations.bundle.manifest import Bundle, bundle_of
from gridmill.operations.bundle.plays import Plays
from gridmill.operations.bundle.report import FAILED, Reporter
from gridmill.operations.bundle.steps import Compiler
from gridmill.operations.document import Connection

LEAVE_S = 15.0
"""After TERM, hosts have so long to say that they stopped."""


class Run:
    """One playbook over one inventory."""

    def __init__(self, inventory: Path, playbook: Path, name: str, *, check: bool, below: Path | None) -> None:
        self.document: dict[str, Any] = json.loads(inventory.read_text(encoding="utf-8"))
        self.token = int(self.document["vars"].get("fence_token", 0))
        self.plays = Plays(inventory, playbook, check=check)
        self.compiler = Compiler(self.plays)
        self.code = code_of(self.compiler.modules)
        self.name = name
        self.below = below
        self.id = secrets.token_hex(8)
        self.reporter = Reporter()

    def prepare(self, host: str) -> Bundle | None:
        """The bundle of a host; None, which is told, when it has none."""
        try:
            steps = self.compiler.compile(host)
        except TaskFailedError as error:
            task, message = error.args
            self.reporter.failed(host, task, message)
            return None
        except (AnsibleError, NotCompilableError) as error:
            self.reporter.failed(host, "compile", str(error))
            return None
        self.reporter.expect(host, steps.steps)
        return bundle_of(host, steps, self.code, name=self.place, run=self.id, token=self.token)

    @property
    def place(self) -> str:
        """What the run is called on hosts. Of checks there may be several at once, from different machines."""
        return f"{self.name}-{self.id[:8]}" if self.plays.check else self.name

    def where(self, host: str) -> Where:
        """Where a host keeps what it is sent."""
        return Where(f"{self.below}/{host}/state", f"{self.below}/{host}/run") if self.below else Where()

    async def run(self) -> int:
        """Exit status as of ansible-playbook; -TERM becomes 143."""
        addresses = {**self.document["hosts"], **self.document.get("controllers", {})}
        jobs = {
            host: Job(addresses[host]["address"], partial(self.prepare, host), self.where(host))
            for host in self.plays.hosts
        }
        given = self.document["connection"]
        connection = Connection(
            given["user"], Path(given["identityFile"]), Path(given["knownHostsFile"]), given["become"]
        )
        client = Client(connection, self.place, self.reporter.take)
        loop, task = asyncio.get_running_loop(), asyncio.create_task(client.run(jobs))

        def stop() -> None:
            client.stop()
            loop.call_later(LEAVE_S, task.cancel)

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
        try:
            await task
        except asyncio.CancelledError:
            self.reporter.status = FAILED
        self.reporter.recap()
        return 128 + signal.SIGTERM if client.stopped else self.reporter.status


def main() -> int:
    """Exit status: 0, or 2 when a host failed, 4 when one was out of reach and none failed."""
    parser = argparse.ArgumentParser(prog="gridmill.operations.bundle.run", description=__doc__)
    parser.add_argument("inventory", type=Path)
    parser.add_argument("playbook", type=Path)
    parser.add_argument("--name", required=True, help="the phase, as units on the machines are called")
    parser.add_argument("--check", action="store_true", help="say what would change")
    parser.add_argument(
        "--below", type=Path, help="for benchmarks whose hosts share a file system: each has its own part"
    )
    options = parser.parse_args()
    try:
        run = Run(options.inventory, options.playbook, options.name, check=options.check, below=options.below)
    except (AnsibleError, NotCompilableError) as error:
        print(f"ERROR! {error}", file=sys.stderr)
        return FAILED
    return asyncio.run(run.run())


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
