"""What goes wrong outside of the definition."""

from __future__ import annotations

from gridmill.core.errors import GridmillError


class OperationError(GridmillError):
    """A process, host or file refused or failed; the message says which, and what to do."""

    def __init__(self, message: str, status: int = 1) -> None:
        """`status` is the exit status of a command that it ends."""
        super().__init__(message)
        self.status = status


INTERRUPTED = 130
"""Exit status of a command that was interrupted, as shells have it: 128 and the number of SIGINT."""
