"""Whether the engine is there: programs with sites are tested under Pulumi's mocks, which know no hooks."""

from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.settings import get_monitor


def calls_hooks() -> bool:
    """Whether resources may have hooks."""
    return not isinstance(get_monitor(), MockMonitor)
