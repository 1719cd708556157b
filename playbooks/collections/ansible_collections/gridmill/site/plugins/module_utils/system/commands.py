"""Running a program on the node: bounded in time, in the C locale, and a missing program is a result, not a crash."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

MISSING = 127
TIMED_OUT = 124


@dataclass(frozen=True)
class Result:
    """What a program left behind: exit status, output and error text."""

    status: int
    output: str
    error: str = ""

    @property
    def ok(self) -> bool:
        """True when the program was there and exited with status 0."""
        return self.status == 0

    def complaint(self) -> str:
        """The last line that says why it failed; never empty."""
        lines = [line.strip() for line in (self.error or self.output).splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {self.status}"


Run = Callable[[list[str]], Result]


def run(argv: list[str], timeout: float = 30.0, text: str | None = None) -> Result:
    """Run `argv` for at most `timeout` seconds, with `text` on its standard input.

    Never raises for what the program does: a program that is not installed gives status 127, one that was stopped
    after the timeout gives 124.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "C"}
    environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    try:
        done = subprocess.run(
            argv,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            input=text if text is not None else "",
        )
    except FileNotFoundError:
        return Result(MISSING, "", f"{argv[0]} is not installed")
    except PermissionError:
        return Result(MISSING, "", f"{argv[0]} may not be run by this user")
    except subprocess.TimeoutExpired:
        return Result(TIMED_OUT, "", f"{argv[0]} gave no answer within {timeout:g} s")
    return Result(done.returncode, done.stdout, done.stderr)
