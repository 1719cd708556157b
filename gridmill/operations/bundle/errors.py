"""What can go wrong before a host is asked for anything."""

from __future__ import annotations

from typing import Any


class NotCompilableError(Exception):
    """A task leaves what a bundle can do; says where."""

    def __init__(self, text: str, task: Any = None) -> None:
        """`task` is Ansible's; its file and line are part of the message."""
        place = task.get_path() if task is not None else ""
        super().__init__(f"{place}: {text}" if place else text)


class TaskFailedError(Exception):
    """A task fails on this host whatever the host is like: an undefined variable, an argument of the wrong type."""
