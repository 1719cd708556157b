"""What features have listen on machines, asked from the controller for `gridmill status`: one connection for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gridmill.kernel.feature import Endpoint
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.document import plan_connection
from gridmill.operations.errors import OperationError
from gridmill.operations.hosts.ssh import run_as_root
from gridmill.operations.inspect import endpoint_reader

TIMEOUT_S = 90
"""Seconds that the controller may take for all: 64 are asked at once, each for at most 3 s."""

Ask = Callable[[str], str]


def endpoints_of(plan: SitePlan) -> dict[str, list[Endpoint]]:
    """By machine in service, what its features have listen there."""
    found = {
        host.name: [one for feature in plan.features for one in feature.endpoints(plan, host)]
        for host in plan.hosts
        if host.maintenance is None
    }
    return {name: endpoints for name, endpoints in found.items() if endpoints}


def endpoint_problems(plan: SitePlan, ask: Ask | None = None) -> dict[str, list[str]]:
    """By machine, what does not answer, or says something else. OperationError when the controller can't be asked."""
    wanted = endpoints_of(plan)
    if not wanted:
        return {}
    addresses = {host.name: host.address for host in plan.hosts}
    question = [
        {
            "host": name,
            "name": one.name,
            "url": f"http://{addresses[name]}:{one.port}{one.path}",
            "contains": one.contains,
        }
        for name, endpoints in wanted.items()
        for one in endpoints
    ]
    try:
        answers: list[Mapping[str, Any]] = json.loads((ask or over_ssh(plan))(json.dumps(question)))
        found: dict[str, list[str]] = {}
        for answer in answers:
            found.setdefault(str(answer["host"]), []).append(f"{answer['name']}: {answer['problem']}")
    except (ValueError, KeyError, TypeError) as error:
        raise OperationError(f"the controller's answer about endpoints cannot be read: {error!r}") from error
    return found


def _url(address: str, endpoint: Endpoint) -> str:
    return f"http://{address}:{endpoint.port}{endpoint.path}"


def over_ssh(plan: SitePlan) -> Ask:
    """Sends the reader and its question to the first controller's Python."""
    controller = plan.with_service("controller")[0]
    connection = plan_connection(plan)
    program = Path(endpoint_reader.__file__).read_text(encoding="utf-8")

    def ask(question: str) -> str:
        text = f"{program}\nprint(answer({question!r}))\n"
        words = ["python3", "-"]
        return run_as_root(
            connection, controller.name, controller.address, words, what="endpoints", stdin=text, timeout_s=TIMEOUT_S
        )

    return ask
