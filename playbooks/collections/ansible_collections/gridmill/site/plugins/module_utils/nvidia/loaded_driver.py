"""What waits for a restart of the machine: one line per topic in a file that people and the rolling restart read."""

from __future__ import annotations

import re
from pathlib import Path

MARKER = Path("/var/lib/gridmill/reboot-needed")

_LOADED = re.compile(
    r"NVRM version: NVIDIA UNIX (?P<open>Open )?.*?Kernel Module(?: for \S+)?\s+(?P<version>\d+(?:\.\d+)+)"
)


def marked(text: str, topic: str, reason: str) -> str:
    """The marker's text with this topic's reason, or without the topic where there is none."""
    others = [line for line in text.splitlines() if line and not line.startswith(f"{topic}: ")]
    lines = sorted([*others, *([f"{topic}: {reason}"] if reason else [])])
    return "".join(f"{line}\n" for line in lines)


def loaded_driver(text: str) -> tuple[str, str] | None:
    """Version and flavour of the NVIDIA driver that the kernel has loaded, from /proc/driver/nvidia/version."""
    found = _LOADED.search(text)
    return (found["version"], "open" if found["open"] else "proprietary") if found else None
