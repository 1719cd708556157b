"""Checks of what answers over HTTP on the machine's management address, and listens nowhere else."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

TIMEOUT_S = 5.0
LARGEST = 1 << 22
"""Bytes of an answer that are looked at."""

Get = Callable[[str], str]


def get(url: str) -> str:
    """The answer to a GET, without any proxy. OSError when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=TIMEOUT_S) as answer:
        return str(answer.read(LARGEST).decode("utf-8", "replace"))


def endpoint(wanted: dict[str, Any], run: Run, ask: Get = get) -> Check:
    """`name` listens on `port` of the machine's own `addresses` only, and what it says at `path` has `contains`."""
    name, port = str(wanted["name"]), int(wanted["port"])
    addresses = [str(one) for one in wanted["addresses"]]
    expected = f"answers on {', '.join(addresses)} port {port}, and listens nowhere else"
    listening = run(["ss", "--no-header", "--listening", "--tcp", "--numeric", f"sport = :{port}"])
    found = _places(listening.output) if listening.ok else []
    wrong = []
    if not listening.ok:
        wrong.append(listening.complaint())
    elif not found:
        wrong.append("nothing listens")
    if others := sorted(set(found) - set(addresses)):
        wrong.append(f"listens on {', '.join(others)}")
    for address in addresses:
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}{wanted['path']}"
        try:
            if str(wanted["contains"]) not in ask(url):
                wrong.append(f"{url} does not say {wanted['contains']}")
        except (OSError, urllib.error.URLError, ValueError) as error:
            wrong.append(f"{url}: {error}")
    return result(
        f"endpoint {name}",
        ok=not wrong,
        expected=expected,
        found="; ".join(wrong) or expected,
        hint=f"systemctl status and journalctl of {name} on this host",
    )


def _places(output: str) -> list[str]:
    """Addresses that `ss` shows as local, without ports, brackets and interfaces."""
    fields = [line.split() for line in output.splitlines()]
    return [one[3].rpartition(":")[0].strip("[]").partition("%")[0] for one in fields if len(one) > 3]  # noqa: PLR2004 - columns of ss
