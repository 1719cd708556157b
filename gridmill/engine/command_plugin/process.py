"""Running one command: its environment, its standard streams, its failure text, and killing it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

LogLine = Callable[[str], Awaitable[None]]
"""Takes one line of output for the engine's log."""

_CHUNK = 65536


class CommandFailedError(Exception):
    """A command did not end well; the text names its end, the command line and all it printed."""


@dataclass(frozen=True)
class Invocation:
    """One command as it is to be run."""

    command: str
    interpreter: tuple[str, ...] = ("/bin/sh", "-c")
    directory: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    stdin: str = ""
    log_stdout: bool = True
    log_stderr: bool = True


@dataclass(frozen=True)
class Result:
    """What a command printed, each stream without its last newline."""

    stdout: str = ""
    stderr: str = ""


class Runner:
    """Runs commands and can kill those under way: their direct child, as the official plugin does."""

    def __init__(self) -> None:
        """Start with nothing running."""
        self._running: set[asyncio.subprocess.Process] = set()
        self._cancelled = False

    def cancel(self) -> None:
        """Kill what runs, and refuse to start anything more."""
        self._cancelled = True
        for process in self._running:
            _kill(process)

    async def run(self, invocation: Invocation, log: LogLine, timeout_seconds: float = 0) -> Result:
        """Run to the end, `timeout_seconds` at most (0: as long as it takes).

        Raises:
            CommandFailedError: it could not be started, or ended with another status than 0.
        """
        if self._cancelled:
            raise CommandFailedError(_failure("context canceled", invocation.command, b""))
        process = await _start(invocation)
        self._running.add(process)
        alarm = None
        if timeout_seconds > 0:
            alarm = asyncio.get_running_loop().call_later(timeout_seconds, _kill, process)
        try:
            both = bytearray()
            _, stdout, stderr = await asyncio.gather(
                _feed(process.stdin, invocation.stdin),
                _collect(process.stdout, both, log if invocation.log_stdout else None),
                _collect(process.stderr, both, log if invocation.log_stderr else None),
            )
            status = await process.wait()
        finally:
            if alarm:
                alarm.cancel()
            self._running.discard(process)
            _kill(process)
        if status != 0:
            raise CommandFailedError(_failure(_status_text(status), invocation.command, bytes(both)))
        return Result(_text(stdout), _text(stderr))


async def _start(invocation: Invocation) -> asyncio.subprocess.Process:
    arguments = [*invocation.interpreter, invocation.command]
    try:
        return await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.PIPE if invocation.stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=invocation.directory,
            env={**os.environ, **invocation.environment},
        )
    except OSError as error:
        at_directory = invocation.directory is not None and error.filename == invocation.directory
        what = f"chdir {invocation.directory}" if at_directory else f"fork/exec {arguments[0]}"
        reason = f"{what}: {(error.strerror or str(error)).lower()}"
        raise CommandFailedError(_failure(reason, invocation.command, b"")) from error
    except ValueError as error:  # a NUL in an argument or the environment
        raise CommandFailedError(_failure(str(error), invocation.command, b"")) from error


async def _feed(pipe: asyncio.StreamWriter | None, text: str) -> None:
    if pipe is None:
        return
    try:
        pipe.write(text.encode())
        await pipe.drain()
        pipe.close()
        await pipe.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return  # a command need not read what it is given


async def _collect(pipe: asyncio.StreamReader | None, both: bytearray, log: LogLine | None) -> bytes:
    collected, line = bytearray(), bytearray()
    while pipe is not None and (chunk := await pipe.read(_CHUNK)):
        collected += chunk
        both += chunk
        if log:
            line += chunk
            *complete, rest = line.split(b"\n")
            line = bytearray(rest)
            for item in complete:
                await log(item.decode(errors="replace").removesuffix("\r"))
    if log and line:
        await log(line.decode(errors="replace"))
    return bytes(collected)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            return


def _failure(end: str, command: str, output: bytes) -> str:
    return f"{end}: running {json.dumps(command, ensure_ascii=False)}:\n{output.decode(errors='replace')}"


def _status_text(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    return f"signal: {(signal.strsignal(-status) or str(-status)).lower()}"


def _text(output: bytes) -> str:
    return output.decode(errors="replace").removesuffix("\n")
