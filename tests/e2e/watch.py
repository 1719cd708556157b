"""What tests watch beside the site: every command line on this machine, and logins on the site's machines."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.site_copy import SiteCopy


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """Collects the command lines of all processes, some times a second."""
    seen: set[str] = set()
    done = threading.Event()

    def collect() -> None:
        while not done.wait(0.1):
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                try:
                    seen.add((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except (FileNotFoundError, ProcessLookupError):
                    continue

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        yield seen
    finally:
        done.set()
        collector.join()


def logins(site: SiteCopy, *nodes: str) -> list[int]:
    """How often somebody logged in on each node since it booted, read past SSH."""
    return [site.lab("logs", node, "--lines", "100000").stdout.count("Accepted publickey for") for node in nodes]
