"""Which machines answer at all: one TCP connection each, all at once, so that machines that are off cost one wait."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Mapping
from itertools import islice

SSH_PORT = 22
AT_ONCE = 500
"""Connections at once; a process may have 1024 descriptors by default."""


def unreachable(addresses: Mapping[str, str], wait_s: float, port: int = SSH_PORT) -> dict[str, str]:
    """Why a machine does not answer, by name, for those of `addresses` that don't; nothing is sent to the others.

    All are waited for together, at most `wait_s` seconds per 500 machines.
    """
    names = iter(addresses)
    silent: dict[str, str] = {}
    while some := list(islice(names, AT_ONCE)):
        silent |= _ask({name: addresses[name] for name in some}, wait_s, port)
    return silent


def _ask(addresses: Mapping[str, str], wait_s: float, port: int) -> dict[str, str]:
    silent: dict[str, str] = {}
    until = time.monotonic() + wait_s
    with selectors.DefaultSelector() as waiting:
        for name, address in addresses.items():
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            status = one.connect_ex((address, port))
            if status in {0, errno.EINPROGRESS}:
                waiting.register(one, selectors.EVENT_WRITE, name)
            else:
                one.close()
                silent[name] = os.strerror(status).lower()
        while waiting.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in waiting.select(left):
                one = key.fileobj  # type: ignore[assignment]
                if status := one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    silent[key.data] = os.strerror(status).lower()
                waiting.unregister(one)
                one.close()
        for key in list(waiting.get_map().values()):
            silent[key.data] = f"no answer within {wait_s:.0f} s"
            key.fileobj.close()  # type: ignore[union-attr]
    return silent
