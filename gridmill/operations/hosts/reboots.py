"""Restarts machines and waits until each is back: until it answers from another boot than before."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from gridmill.operations.document import Connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root

BOOT_ID = ["cat", "/proc/sys/kernel/random/boot_id"]
RESTART = ["systemd-run", "--quiet", "--collect", "--on-active=2", "systemctl", "reboot"]
"""Some moments later, so that the connection ends as it should."""
PATIENCE_S = 1800
"""A server with eight GPUs takes ten minutes and more to start (firmware trains links and memory)."""
POLL_S = 5.0
ANSWER_S = 15.0
AT_ONCE = 32


def reboot(
    connection: Connection,
    addresses: Mapping[str, str],
    *,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, str]:
    """Restart these machines (address by name), side by side; what is wrong, for those that do not come back."""

    def one(name: str) -> str:
        address = addresses[name]
        try:
            before = run_as_root(connection, name, address, BOOT_ID, what="restart")
            run_as_root(connection, name, address, RESTART, what="restart")
        except OperationError as error:
            return str(error)
        until = clock() + patience_s
        while clock() < until:
            sleep(POLL_S)
            if _boot(connection, name, address) not in {"", before}:
                return ""
        return f"did not come back within {patience_s / 60:.0f} min after its restart"

    names: Iterable[str] = sorted(addresses)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(names, pool.map(one, names), strict=True))
    return {name: text for name, text in found.items() if text}


def _boot(connection: Connection, name: str, address: str) -> str:
    """Identity of the boot that answers; empty while none does."""
    try:
        return run_as_root(connection, name, address, BOOT_ID, what="restart", timeout_s=ANSWER_S)
    except OperationError:
        return ""
