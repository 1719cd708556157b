"""Conversations with many hosts at once: each takes its bundle over one SSH connection, and says how it goes.

A connection that is lost is opened again, and followed on from where it was; what runs on the host doesn't notice.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from gridmill.operations.bundle.manifest import Bundle, SigningError, signed
from gridmill.operations.document import Connection
from gridmill.operations.hosts.many import AT_ONCE, NO_CONNECTION
from gridmill.operations.hosts.ssh import ssh_command
from gridmill.operations.playbooks import SITE

RECEIVER = SITE / "plugins/module_utils/bundle/receiver.py"
BOOT = "import sys;s=sys.stdin.buffer;exec(compile(s.read(int(s.readline())),'receiver','exec'))"
FOLLOWED = 250
"""Hosts that are worked on at once; each costs an idle process of ssh."""
RECONNECT_S = 90.0
"""So long a host may be out of reach before it is given up; it goes on by itself."""
PAUSE_S = 3.0
LINE = 64 * 1024 * 1024
"""Longest line of an answer, in bytes: a result with a long difference."""

Event = dict[str, Any]
OnEvent = Callable[[str, Event], None]
CONTROL = frozenset({"missing", "started", "waiting"})


@dataclass(frozen=True)
class Where:
    """Directories on the hosts."""

    state: str = "/var/lib/gridmill"
    runtime: str = "/run/gridmill"


@dataclass
class Job:
    """What is known of one host's bundle."""

    address: str
    prepare: Callable[[], Bundle | None]
    """Makes the bundle when it is its turn; None when there is nothing to send."""
    where: Where = field(default_factory=Where)
    offset: int = 0
    begun: bool = False
    over: bool = False
    line: asyncio.StreamWriter | None = field(default=None, repr=False)
    complaint: str = ""


class Client:
    """One run over many hosts."""

    def __init__(self, connection: Connection, name: str, on_event: OnEvent) -> None:
        """`name` is the phase's, and that of the unit on the hosts."""
        self._connection = connection
        self._name = name
        self._on_event = on_event
        self._program = RECEIVER.read_bytes()
        self._jobs: dict[str, Job] = {}
        self.stopped = False

    async def run(self, jobs: Mapping[str, Job]) -> None:
        """Have every host do its bundle; events tell how it goes."""
        self._jobs = dict(jobs)
        self._connecting = asyncio.Semaphore(AT_ONCE)
        followed = asyncio.Semaphore(FOLLOWED)

        async def one(name: str, job: Job) -> None:
            async with followed:
                await self._host(name, job)

        await asyncio.gather(*(one(name, job) for name, job in self._jobs.items()))

    def stop(self) -> None:
        """Have all hosts end after the task that they are at; no other begins."""
        self.stopped = True
        for job in self._jobs.values():
            if job.line and job.begun and not job.over:
                job.line.write(b"stop\n")

    async def _host(self, name: str, job: Job) -> None:
        async with self._connecting:
            bundle = None if self.stopped else job.prepare()
        if bundle is None:
            return
        try:
            signature = signed(bundle.manifest, self._connection.identity_file)
        except SigningError as error:
            self._give_up(name, job, {"event": "end", "refused": True, "message": str(error)})
            return
        request: dict[str, Any] = {"name": self._name, "run": bundle.run, **asdict(job.where)}
        first = {"action": "run", "manifest": bundle.manifest, "signature": signature}
        heard = time.monotonic()
        while not job.over:
            before = job.offset
            more = {"action": "follow", "offset": job.offset} if job.begun else first
            try:
                status = await self._converse(name, job, bundle, {**request, **more})
            except (ValueError, LookupError, TypeError) as error:
                self._give_up(name, job, {"event": "end", "lost": True, "message": f"unexpected output: {error!r}"})
                break
            heard = time.monotonic() if job.offset > before else heard
            if job.over:
                break
            if not job.begun:
                kind = "unreachable" if status == NO_CONNECTION else "end"
                self._give_up(name, job, {"event": kind, "lost": True, "message": job.complaint})
            elif self.stopped or time.monotonic() - heard > RECONNECT_S:
                message = f"the connection is lost, and the machine goes on by itself: {job.complaint}"
                self._give_up(name, job, {"event": "unreachable", "message": message})
            else:
                await asyncio.sleep(PAUSE_S)

    def _give_up(self, name: str, job: Job, event: Event) -> None:
        job.over = True
        self._on_event(name, event)

    async def _converse(self, name: str, job: Job, bundle: Bundle, request: dict[str, Any]) -> int:
        """One connection; the exit status of ssh."""
        async with self._connecting:
            sudo = ["sudo", "-n"] if self._connection.become else []
            remote = " ".join([*sudo, "/usr/bin/python3", "-I", "-S", "-c", f'"{BOOT}"'])
            process = await asyncio.create_subprocess_exec(
                *ssh_command(self._connection, job.address, [remote]), limit=LINE, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdin and process.stdout and process.stderr  # noqa: S101 - pipes were asked for
            job.line = process.stdin
            head = f"{len(self._program)}\n".encode() + self._program
            await _write(process.stdin, head + json.dumps(request).encode() + b"\n")
            complaints = asyncio.create_task(process.stderr.read())
            going = await self._until_started(name, job, bundle, process)
        while going and not job.over:
            line = await process.stdout.readline()
            going = line.endswith(b"\n")
            if going:
                self._take(name, job, line)
        if job.over:
            await _write(process.stdin, b"done\n")
        job.line = None
        process.stdin.close()
        lines = [text for text in (await complaints).decode("utf-8", "replace").splitlines() if text.strip()]
        status = await process.wait()
        job.complaint = lines[-1].strip() if lines else f"exit status {status}"
        return status

    async def _until_started(self, name: str, job: Job, bundle: Bundle, process: asyncio.subprocess.Process) -> bool:
        """Hand over what the host lacks; False when the connection ended before the bundle ran."""
        assert process.stdin and process.stdout  # noqa: S101 - pipes were asked for
        while line := await process.stdout.readline():
            event = json.loads(line)
            if event["event"] == "missing":
                await _write(process.stdin, _objects(bundle, set(event["objects"])))
            elif event["event"] == "started":
                job.begun = True
                if self.stopped:
                    await _write(process.stdin, b"stop\n")
                return True
            else:
                self._take(name, job, line)
                if job.over:
                    return False
        return False

    def _take(self, name: str, job: Job, line: bytes) -> None:
        event = json.loads(line)
        if event["event"] not in CONTROL:
            job.offset += len(line)
        job.over = event["event"] == "end"
        self._on_event(name, event)


def _objects(bundle: Bundle, missing: set[str]) -> bytes:
    wanted = [*(one for one in bundle.code if one.digest in missing), *bundle.contents]
    parts = []
    for one in wanted:
        parts += [json.dumps({"object": one.digest, "bytes": len(one.content)}).encode(), b"\n", one.content]
    return b"".join([*parts, b"{}\n"])


async def _write(stream: asyncio.StreamWriter, data: bytes) -> None:
    """Write, as far as there still is somebody who reads."""
    try:
        stream.write(data)
        await stream.drain()
    except (BrokenPipeError, ConnectionResetError):
        return
