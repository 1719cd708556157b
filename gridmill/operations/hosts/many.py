"""The same short conversation with many hosts at once, one SSH connection each.

Only so many connections are opened at a time, since each costs some 60 ms of this machine's processor. A host that has
said nothing for a while is suspected to be dead: then those that still wait for their turn are first asked whether
anybody listens at all, all at once. So however many are dead, they cost one connect timeout in all.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gridmill.operations.document import Connection
from gridmill.operations.hosts.ssh import CONNECT_TIMEOUT_S, TIMEOUT_S, ssh_command

AT_ONCE = 8 * (os.cpu_count() or 1)
SUSPICIOUS_S = 2.0
"""After so long without an answer a host may be dead. A good answer takes less than a second."""
NO_CONNECTION = 255
"""Exit status of ssh when it could not connect."""
PORT = 22


@dataclass(frozen=True)
class Call:
    """What to run on a host."""

    address: str
    remote: str
    """The command line, quoted."""
    stdin: bytes = b""


@dataclass(frozen=True)
class Outcome:
    """How a conversation ended."""

    status: int
    output: str = ""
    error: str = ""

    @property
    def unreachable(self) -> bool:
        """Whether there was no connection at all."""
        return self.status == NO_CONNECTION

    @property
    def complaint(self) -> str:
        """The last line that says why it went wrong; never empty."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


def call_all(connection: Connection, calls: Mapping[str, Call], *, at_once: int = AT_ONCE) -> dict[str, Outcome]:
    """Run every call on its host; outcomes by host name, in the order of `calls`."""
    loop = asyncio.new_event_loop()  # not asyncio.run, which takes the thread's own loop from whoever uses it
    try:
        found = loop.run_until_complete(_Round(connection, calls, at_once).run())
    finally:
        loop.close()
    return {name: found[name] for name in calls}


async def silence(address: str) -> str:
    """Why no connection is accepted there; empty when one is. The kernel's answer counts, however late it is read."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setblocking(False)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(probe, (address, PORT)), CONNECT_TIMEOUT_S)
        except TimeoutError:
            try:
                probe.getpeername()
            except OSError:
                return f"no answer within {CONNECT_TIMEOUT_S} s"
        except OSError as error:
            return str(error)
    return ""


class _Round:
    """One call to each host."""

    def __init__(self, connection: Connection, calls: Mapping[str, Call], at_once: int) -> None:
        self._connection = connection
        self._calls = calls
        self._at_once = at_once
        self._waiting = list(calls)[::-1]
        self._alive: set[str] = set()
        self._found: dict[str, Outcome] = {}
        self._started: dict[asyncio.Task[None], tuple[str, float]] = {}
        self._looking: set[asyncio.Task[None]] = set()

    async def run(self) -> dict[str, Outcome]:
        """Outcomes by host name."""
        while self._waiting or self._started or self._looking:
            suspects = self._suspects()
            if suspects:
                unknown = [name for name in self._waiting if name not in self._alive]
                self._waiting = [name for name in self._waiting if name in self._alive]
                self._looking |= {asyncio.create_task(self._look(name)) for name in unknown}
            while self._waiting and len(self._started) < self._at_once + suspects:
                name = self._waiting.pop()
                self._started[asyncio.create_task(self._converse(name))] = (name, time.monotonic())
            tasks = {*self._started, *self._looking}
            done, _ = await asyncio.wait(tasks, timeout=SUSPICIOUS_S / 4, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                self._started.pop(task, None)
                self._looking.discard(task)
                task.result()
        return self._found

    def _suspects(self) -> int:
        """How many say nothing and have not been seen alive."""
        since = time.monotonic() - SUSPICIOUS_S
        return sum(begun < since and name not in self._alive for name, begun in self._started.values())

    async def _look(self, name: str) -> None:
        """Put a host back into the queue when it accepts connections; else report that it does not."""
        address = self._calls[name].address
        if why := await silence(address):
            self._found[name] = Outcome(NO_CONNECTION, error=f"connect to {address} port {PORT}: {why}")
            return
        self._alive.add(name)
        self._waiting.append(name)

    async def _converse(self, name: str) -> None:
        call = self._calls[name]
        process = await asyncio.create_subprocess_exec(
            *ssh_command(self._connection, call.address, [call.remote]),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, error = await asyncio.wait_for(process.communicate(call.stdin), TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            self._found[name] = Outcome(1, error=f"no answer within {TIMEOUT_S:g} s")
            return
        status = process.returncode if process.returncode is not None else 1
        self._found[name] = Outcome(status, output.decode("utf-8", "replace"), error.decode("utf-8", "replace"))
