"""What goes wrong outside of the definition."""

from __future__ import annotations

from gridmill.errors import GridmillError


class OperationError(GridmillError):
    """A process, host or file refused or failed; the message says which, and what to do."""


INTERRUPTED = 130
"""Exit status of a command that was interrupted, as shells have it: 128 and the number of SIGINT."""
