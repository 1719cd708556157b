"""Asking meters: real servers of Modbus TCP and SNMP on loopback, secrets that no list of processes shows, silence."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gridmill.compare.metered import MeterReading
from gridmill.features.meters.plan import MetersPlan, SnmpPlan
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.lab.meter_server import modbus_server, start_agent
from gridmill.lab.metered_load import Reading
from gridmill.operations import cli
from gridmill.operations.commands import power as power_cli
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect import meter_reader
from gridmill.operations.inspect.meters import measure_meters, snmp_configuration

READING = Reading((1000.5, 2000.25, 3000.125), (4.5, 9.0, 13.5))
SECRET = "a-passphrase-for-tests"  # noqa: S105 - of a server of these tests
V3 = f"defVersion 3\ndefSecurityLevel authPriv\ndefSecurityName reader\ndefAuthType SHA\ndefPrivType AES\ndefPassphrase {SECRET}\n"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def modbus(**changed: Any) -> dict[str, Any]:
    """A meter as the reader is told of it."""
    meter = {"protocol": "modbus", "address": "127.0.0.1", "port": free_port(), "unit": 1, "registers": "input"}
    meter |= {"type": "float32", "low_word_first": False, "watts": 1.0, "amperes": 1.0}
    return meter | {"power": 52, "phase_power": [12, 14, 16], "phase_current": [6, 8, 10]} | changed


def snmp(**changed: Any) -> dict[str, Any]:
    meter = {"protocol": "snmp", "address": "127.0.0.1", "port": free_port(socket.SOCK_DGRAM), "unit": 0}
    meter |= {"registers": "", "type": "", "low_word_first": False, "watts": 10.0, "amperes": 0.1}
    places = {"power": "1.3.6.1.4.1.9.5", "phase_power": ["1.3.6.1.4.1.9.7.1"], "phase_current": ["1.3.6.1.4.1.9.8.1"]}
    return meter | places | changed


@contextmanager
def serving(start: Callable[[], Any]) -> Iterator[None]:
    """What `start` makes serves in a loop of its own."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        server = start()
        modbus_task = asyncio.create_task(server.serve_forever()) if hasattr(server, "serve_forever") else None
        await asyncio.sleep(0.1)
        ready.set()
        while not over.is_set():
            await asyncio.sleep(0.02)
        if modbus_task:
            await server.shutdown()
            await asyncio.gather(modbus_task, return_exceptions=True)
        else:
            server.close_dispatcher()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield
    finally:
        over.set()
        thread.join(5)


def asked(meter: dict[str, Any], configuration: str = "") -> dict[str, Any]:
    return meter_reader.read_all({"meters": {"m": meter}, "snmp": configuration})["m"]


@pytest.mark.parametrize("kind", ["float32", "int32", "uint32", "int16", "uint16"])
@pytest.mark.parametrize("low_word_first", [False, True])
def test_a_modbus_meter_of_every_type(kind: str, low_word_first: bool) -> None:
    meter = modbus(type=kind, registers="holding", low_word_first=low_word_first and kind != "int16")
    with serving(lambda: modbus_server(meter, lambda: READING)):
        values = asked(meter)["values"]
    exact = [6000.875, 1000.5, 2000.25, 3000.125, 4.5, 9.0, 13.5]
    assert values == (exact if kind == "float32" else [float(round(value)) for value in exact])


def test_a_modbus_meter_that_refuses() -> None:
    meter = modbus()
    with serving(lambda: modbus_server(meter, lambda: READING)):
        assert asked(meter | {"power": 900}) == {"complaint": "it refuses register 900: illegal register"}
        assert "refuses register 52" in asked(meter | {"unit": 9})["complaint"]
    assert "refused" in asked(meter)["complaint"], "nobody listens any more"


ANSWERS = {
    "no modbus": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "another transaction": b"\x00\x07\x00\x00\x00\x07\x01\x04\x04\x41\x20\x00\x00",
    "another function": b"\x00\x01\x00\x00\x00\x07\x01\x03\x04\x41\x20\x00\x00",
    "too little": b"\x00\x01\x00\x00\x00\x05\x01\x04\x02\x41\x20",
    "half of it": b"\x00\x01\x00\x00\x00\x07\x01\x04",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_are_none(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(12)
                connection.sendall(ANSWERS[name])

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert asked(modbus(port=server.getsockname()[1])).keys() == {"complaint"}
        thread.join(5)


def test_a_request_is_what_the_specification_says() -> None:
    """Application Protocol V1.1b3, section 6.4: function 4, register 52, two of them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                seen.append(connection.recv(64))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        asked(modbus(port=server.getsockname()[1], unit=3))
        thread.join(5)
    assert seen == [bytes.fromhex("0001 0000 0006 03 04 0034 0002")]


@pytest.mark.parametrize(("user", "configuration"), [("reader", V3), (None, f"defVersion 2c\ndefCommunity {SECRET}\n")])
def test_an_snmp_meter(user: str | None, configuration: str) -> None:
    meter = snmp()
    with serving(lambda: start_agent(meter, lambda: READING, user, SECRET)):
        assert asked(meter, configuration)["values"] == [600.0, 100.0, 45.0], "tens of W, tenths of A"
        assert "No Such Instance" in asked(meter | {"power": "1.3.6.1.4.1.9.6"}, configuration)["complaint"]
        assert asked(meter, configuration.replace(SECRET, "another-passphrase")).keys() == {"complaint"}


def test_an_snmp_meter_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter_reader, "TIMEOUT_S", 0.4)
    assert asked(snmp(), V3)["complaint"]


def test_the_secret_is_in_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "snmpget"
    program.write_text(
        f'#!/bin/sh\necho "$*" > {tmp_path}/argv\nenv > {tmp_path}/env\ncat "$SNMPCONFPATH/snmp.conf" > {tmp_path}/conf\n'
        f'stat -c %a "$SNMPCONFPATH" "$SNMPCONFPATH/snmp.conf" > {tmp_path}/modes\necho 1; echo 2; echo 3\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert asked(snmp(), V3) == {"values": [1.0, 2.0, 3.0]}
    assert SECRET in (tmp_path / "conf").read_text()
    assert SECRET not in (tmp_path / "argv").read_text() + (tmp_path / "env").read_text()
    assert (tmp_path / "modes").read_text().split() == ["700", "600"]
    directory = (tmp_path / "env").read_text().split("SNMPCONFPATH=")[1].splitlines()[0]
    assert not Path(directory).exists(), "nothing stays"


def test_without_snmpget_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "snmpget is not installed here" in asked(snmp(), V3)["complaint"]


def secret_file(tmp_path: Path, text: str) -> SnmpPlan:
    path = tmp_path / "secret"
    path.write_text(text, encoding="utf-8")
    return SnmpPlan("reader", str(path))


def test_the_configuration_of_net_snmp(tmp_path: Path) -> None:
    assert snmp_configuration(secret_file(tmp_path, f"{SECRET}\n")) == V3
    assert (
        snmp_configuration(replace(secret_file(tmp_path, "short"), user=None)) == "defVersion 2c\ndefCommunity short\n"
    )
    assert snmp_configuration(None) == ""
    for text in ("", "short", "two words in it", "a\nsecond-line", 'quo"tes-quotes'):
        with pytest.raises(OperationError, match=r"power\.snmp\.secretFile"):
            snmp_configuration(secret_file(tmp_path, text))
    with pytest.raises(OperationError, match="cannot be read"):
        snmp_configuration(SnmpPlan("reader", str(tmp_path / "none")))


@pytest.fixture
def readable(lab_plan: SitePlan, tmp_path: Path) -> SitePlan:
    """The lab's plan with a secret that is there."""
    return lab_plan.with_plan("meters", replace(lab_plan.of(MetersPlan), snmp=secret_file(tmp_path, SECRET)))


def through_python(questions: list[str]) -> Callable[[HostPlan, str], str]:
    """The reader as a controller gets it: its text over standard input."""

    def ask(host: HostPlan, question: str) -> str:
        questions.append(host.name)
        text = f"{Path(meter_reader.__file__).read_text()}\nanswer({question!r})\n"
        return subprocess.run(
            [sys.executable, "-I", "-"], input=text, capture_output=True, text=True, check=True
        ).stdout

    return ask


def test_a_controller_asks_and_numbers_become_watts(readable: SitePlan) -> None:
    meter = modbus()
    main = readable.of(MetersPlan).meters[0]
    read = replace(main.read, address=meter["address"], port=meter["port"], watts=1000.0, amperes=2.0)
    plan = readable.with_plan("meters", replace(readable.of(MetersPlan), meters=(replace(main, read=read),)))
    asked_hosts: list[str] = []
    with serving(lambda: modbus_server(meter, lambda: READING)):
        found = measure_meters(plan, through_python(asked_hosts))
    assert found == {"main": MeterReading(6_000_875.0, (1_000_500.0, 2_000_250.0, 3_000_125.0), (9.0, 18.0, 27.0))}
    assert asked_hosts == ["pod-a-r1-u40"], "the controller"


def test_controllers_that_cannot_be_reached_are_named(readable: SitePlan) -> None:
    def ask(host: HostPlan, question: str) -> str:
        raise OperationError(f"{host.name}: meters: no route")

    found = measure_meters(readable, ask)
    complaint = "no controller could ask: pod-a-r1-u40: meters: no route"
    assert {key: reading.complaint for key, reading in found.items()} == dict.fromkeys(
        ("main", "pdu-a", "pdu-b"), complaint
    )


def test_without_the_secret_the_others_are_asked_all_the_same(lab_plan: SitePlan, tmp_path: Path) -> None:
    plan = lab_plan.with_plan(
        "meters", replace(lab_plan.of(MetersPlan), snmp=SnmpPlan("reader", str(tmp_path / "none")))
    )
    found = measure_meters(plan, lambda host, question: json.dumps({"main": {"values": [7.0, 1, 2, 4, 1, 2, 3]}}))
    assert found["main"].power_w == 7.0
    assert "cannot be read" in found["pdu-a"].complaint


def test_a_stack_without_meters_asks_nobody(lab_plan: SitePlan) -> None:
    plan = lab_plan.with_plan("meters", replace(lab_plan.of(MetersPlan), meters=()))
    assert measure_meters(plan, lambda host, question: pytest.fail("asked")) == {}


def test_page_table_and_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = (2100.0, 2100.0, 2100.0)
    readings = {
        "main": MeterReading(6300.0, phases, (9.6, 9.6, 9.6)),
        "pdu-a": MeterReading(5040.0, (1680.0,) * 3, (7.7,) * 3),
        "pdu-b": MeterReading(complaint="<b>no route</b>"),
    }
    monkeypatch.setattr(power_cli, "measure", lambda plan, hosts: {})
    monkeypatch.setattr(power_cli, "measure_meters", lambda plan: readings)
    monkeypatch.setattr(power_cli, "require_files", lambda plan: None)
    page = tmp_path / "page.html"
    assert cli.main(["power", "lab", "--measured", "--html", str(page)]) == 0, "silence fails nothing"
    table = capsys.readouterr().out
    row = next(line for line in table.splitlines() if line.startswith("the connection (simulated)"))
    assert row.split("  ")[-1].strip() == "2.1 kW 9.6 A, 2.1 kW 9.6 A, 2.1 kW 9.6 A"
    cells = [part.strip() for part in row.split("  ") if part.strip()]
    assert cells[1:-1] == ["28 kW", "27 kW", "33.171 kW", "6.3 kW", "26.871 kW"]
    assert "its meter did not answer: <b>no route</b>" in table
    text = page.read_text(encoding="utf-8")
    assert "<b>no route" not in text and "&lt;b&gt;no route" in text
    assert '6.3 kW</span> <span class="sim">simulated</span><br><span class="">26.871 kW left' in text
    assert "PDU pod-a/r1/A" in text and "did not answer" in text
    assert "2.1 kW, 9.6 A" in text
    assert cli.main(["power", "lab", "--measured", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["meters"]["main"]["power_w"] == 6300.0 and data["meters"]["main"]["simulated"] is True
    assert data["meter_findings"]["notes"][0][1] == "its meter did not answer: <b>no route</b>"
    readings["main"] = MeterReading(34_000.0, (11_000.0, 11_500.0, 11_500.0), (50.0, 52.0, 52.0))
    assert cli.main(["power", "lab", "--measured"]) == 1, "over its limit"
