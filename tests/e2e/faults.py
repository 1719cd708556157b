"""Faults made on purpose while `pulumi up` runs: processes that end, machines without power or cable."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.site_copy import NAME, Done, SiteCopy

PROCESSES = {
    "engine": ("pulumi", "up"),
    "program": ("pulumi-language-python-exec",),
    "command plugin": ("resource-command",),
    "runner": ("gridmill.operations.converge", "apply"),
    "playbook": ("/playbooks/", ".yml"),
}
"""What runs during an `up`, by the words that its command line has."""
POD_WORKS = "pod-a: base"
"""What an `up` says when the pod's machines are being changed."""
LOCKED = "the stack is currently locked"
ENDS_S = 40
"""Seconds in which whatever belonged to a run must be gone once its head is: a task on a machine may end in 20."""


KEY_COMMENT = re.compile(r"anna(-\d+)?(?=\"\])")


def change(site: SiteCopy) -> str:
    """An edit that every machine must get: another comment of an administrator's key; that comment."""
    text = site.stack_file.read_text(encoding="utf-8")
    found = KEY_COMMENT.search(text)
    assert found, "no key to edit"
    mark = f"anna-{int((found[1] or '-0')[1:]) + 1}"
    site.stack_file.write_text(text[: found.start()] + mark + text[found.end() :], encoding="utf-8")
    return mark


def key_comment(site: SiteCopy, node: str) -> str:
    """That comment as it stands on a machine."""
    return site.on(node, "sudo cut --delimiter=' ' --fields=3 /etc/ssh/authorized_keys.d/anna")


class Run:
    """A `pulumi up` that runs beside the test."""

    def __init__(self, site: SiteCopy) -> None:
        """Start it, as a terminal would: where tests run in the background, INT is ignored. It prints into a file."""
        self.site = site
        self.started = time.monotonic()
        self._output = site.state / "up.txt"
        with self._output.open("wb") as stream:
            self.process = subprocess.Popen(
                ["env", "--default-signal=INT", "pulumi", "up", "--yes", "--stack", NAME, "--non-interactive"],
                cwd=site.directory,
                env=site.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def until(self, words: str, seconds: float = 240) -> None:
        """Wait until it has said this."""
        end = time.monotonic() + seconds
        while words not in self.text:
            assert self.process.poll() is None, f"it ended before it said {words!r}:\n{self.text[-3000:]}"
            assert time.monotonic() < end, f"{words!r} was not said in {seconds} s:\n{self.text[-3000:]}"
            time.sleep(0.2)

    def end(self, seconds: float = 600) -> Done:
        """Wait for its end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"it did not end within {seconds} s:\n{self.text[-6000:]}") from None
        return Done(status, self.text, "", time.monotonic() - self.started)


def processes(site: SiteCopy, what: str = "") -> list[int]:
    """Processes that work for the copy (in its directory, or started with its state), of one kind or of all."""
    found = []
    marks = (str(site.directory).encode(), str(site.state).encode())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            environment = (entry / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        kinds = [what] if what else list(PROCESSES)
        if any(mark in environment for mark in marks) and any(
            all(word in words for word in PROCESSES[kind]) for kind in kinds
        ):
            found.append(int(entry.name))
    return sorted(found)


def hit(site: SiteCopy, what: str, number: signal.Signals) -> bool:
    """Send a signal to the first process of a kind; whether there was one."""
    for pid in processes(site, what)[:1]:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True
    return False


def none_stays(site: SiteCopy) -> None:
    """Nothing of a run that ended works on. The program of a killed engine stays, idle, which is Pulumi's way."""
    end = time.monotonic() + ENDS_S
    while left := [*processes(site, "runner"), *processes(site, "playbook")]:
        assert time.monotonic() < end, [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left]
        time.sleep(0.5)


def again(site: SiteCopy) -> Done:
    """The same command once more; after the engine was killed, its lock is taken away first, as it says itself."""
    done = site.pulumi("up", "--yes", check=False)
    if done.status and LOCKED in done.text:
        site.pulumi("cancel", "--yes")
        done = site.pulumi("up", "--yes", check=False)
    return done


@dataclass
class SlowLine:
    """A line that was made slow; `lost` counts its packets once it is whole again."""

    lost: int = 0


@contextmanager
def throttled(site: SiteCopy, node: str, kbit: int) -> Iterator[SlowLine]:
    """A machine behind a slow line that loses packets."""
    line = SlowLine()
    site.lab("throttle", node, str(kbit))
    try:
        yield line
    finally:
        told = re.search(r"it had lost (\d+) packets", site.lab("plug", node).text)
        line.lost = int(told[1]) if told else 0


@contextmanager
def unplugged(site: SiteCopy, node: str, *, power: bool) -> Iterator[None]:
    """A machine without power or cable for a while."""
    site.lab("unplug", node, *(["--power"] if power else []))
    try:
        yield
    finally:
        site.lab("plug", node)
