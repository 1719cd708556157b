"""Endpoints of features: the check on the machine, and what `gridmill status` asks from the controller."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks.endpoints import endpoint
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from gridmill.kernel.feature import Endpoint, Feature
from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect import endpoint_reader
from gridmill.operations.inspect.endpoints import endpoint_problems, endpoints_of
from gridmill.operations.inspect.status import site_status, with_problems
from tests.operations.test_status import said

ONE = Endpoint("exporter", 9999, "/metrics", "node_uname_info")
WANTED = {**ONE.check(), "addresses": ["198.18.4.65", "2001:2::1"]}
GOOD = "node_uname_info 1"


def listening(*places: str) -> Any:
    text = "".join(f"LISTEN 0 4096 {place}:9999 0.0.0.0:*\n" for place in places)
    return lambda _: Result(0, text, "")


@pytest.mark.parametrize(
    ("places", "said", "found"),
    [
        (("198.18.4.65", "[2001:2::1]"), GOOD, ""),
        ((), GOOD, "nothing listens"),
        (("0.0.0.0",), GOOD, "listens on 0.0.0.0"),  # noqa: S104 - what must be refused
        (("*",), GOOD, "listens on *"),
        (("198.18.4.65", "[2001:2::1]", "127.0.0.1"), GOOD, "listens on 127.0.0.1"),
        (("198.18.4.65",), "something else", "does not say node_uname_info"),
    ],
)
def test_it_answers_on_the_machines_addresses_and_listens_nowhere_else(
    places: tuple[str, ...], said: str, found: str
) -> None:
    check = endpoint(WANTED, listening(*places), lambda _: said)
    assert check["ok"] is (not found) and found in check["found"]


def test_nothing_that_can_be_asked_is_no_pass() -> None:
    def refused(_: str) -> str:
        raise ConnectionRefusedError("refused")

    assert "refused" in endpoint(WANTED, listening("198.18.4.65"), refused)["found"]
    missing = endpoint(WANTED, lambda _: Result(127, "", "ss: not found"), lambda _: GOOD)
    assert not missing["ok"] and "not found" in missing["found"]


@pytest.fixture
def server() -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(GOOD.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing to standard error."""

    made = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made.server_port
    made.shutdown()
    made.server_close()


def test_the_reader_tells_who_does_not_answer(server: int) -> None:
    base = {"name": "exporter", "url": f"http://127.0.0.1:{server}/metrics", "contains": "node_uname_info"}
    wanted = [
        {"host": "a", **base},
        {"host": "b", **base, "contains": "other"},
        {"host": "c", **base, "url": "http://127.0.0.1:1/"},
    ]
    found = {one["host"]: one["problem"] for one in json.loads(endpoint_reader.answer(json.dumps(wanted)))}
    assert set(found) == {"b", "c"} and "does not say other" in found["b"] and "no answer" in found["c"]


@pytest.fixture
def plan(lab_plan: SitePlan) -> SitePlan:
    feature = Feature("exporter", endpoints=lambda _, host: [ONE] if host.gpu else [])
    return replace(lab_plan, features=(feature,))


def test_status_names_what_is_silent(plan: SitePlan) -> None:
    assert set(endpoints_of(plan)) == {"pod-a-r1-u01", "pod-a-r1-u09"}
    asked: list[Any] = []

    def ask(question: str) -> str:
        asked.extend(json.loads(question))
        return json.dumps([{"host": "pod-a-r1-u09", "name": "exporter", "problem": "no answer"}])

    silent = endpoint_problems(plan, ask)
    assert [one["url"] for one in asked] == [f"http://198.18.4.{last}:9999/metrics" for last in (65, 73)]
    nodes = {one.name: one for one in with_problems(site_status(plan, lambda: said({}, {})), silent)}
    assert "exporter: no answer" in nodes["pod-a-r1-u09"].problems
    assert "exporter: no answer" not in nodes["pod-a-r1-u01"].problems


def test_an_answer_that_cannot_be_read_is_said(plan: SitePlan) -> None:
    with pytest.raises(OperationError, match="cannot be read"):
        endpoint_problems(plan, lambda _: "{")


def test_a_site_without_endpoints_asks_nobody(lab_plan: SitePlan) -> None:
    def never(_: str) -> str:
        raise AssertionError("asked")

    assert endpoint_problems(replace(lab_plan, features=()), never) == {}
