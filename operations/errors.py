"""What goes wrong outside of the definition."""

from __future__ import annotations

from gridmill.errors import GridmillError


class OperationError(GridmillError):
    """A process, host or file refused or failed; the message says which, and what to do."""
