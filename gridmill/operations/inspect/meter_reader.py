"""Asks meters, reading only. Runs on a controller, which gets this file and its question over standard input: so it
needs nothing but Python's standard library, and net-snmp's snmpget for SNMP.

The question is JSON: `meters` by key (as a ReadPlan), and `snmp`, lines of an snmp.conf with the secret, or none. The
answer is one JSON object by key: `values` (power, then phases' power, then their currents, as the meter counts), or
`complaint`. Modbus TCP is spoken here: one request of 12 bytes and its answer (Modbus Messaging on TCP/IP
Implementation Guide V1.0b, Application Protocol V1.1b3, functions 3 and 4).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

DOUBLE = 4
"""Bytes of a value in two registers."""
SHORTEST, LONGEST = 3, 254
"""Bytes that an answer may have behind its length: unit, function, data."""
TIMEOUT_S = 3.0
"""Seconds that a meter may take for one answer; behind a gateway to a serial line one takes up to a second."""
PARALLEL = 16
FUNCTIONS = {"holding": 3, "input": 4}
TYPES = {"float32": ">f", "int32": ">i", "uint32": ">I", "int16": ">h", "uint16": ">H"}
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal register",
    3: "illegal value",
    4: "failure",
    6: "busy",
    11: "no answer",
}
"""What a meter or its gateway says when it refuses (Application Protocol V1.1b3, section 7)."""


class MeterError(Exception):
    """Why a meter could not be asked."""


def read_all(question: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every meter's values, or its complaint, by key."""
    directory = tempfile.mkdtemp(prefix="gridmill-meters-")  # readable by its owner alone
    try:
        configuration = Path(directory) / "snmp.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(question.get("snmp") or "", encoding="utf-8")

        def one(meter: dict[str, Any]) -> dict[str, Any]:
            try:
                values = over_modbus(meter) if meter["protocol"] == "modbus" else over_snmp(meter, directory)
            except (MeterError, OSError, ValueError, struct.error) as error:
                return {"complaint": str(error) or type(error).__name__}
            return {"values": values}

        with ThreadPoolExecutor(PARALLEL) as pool:
            return dict(zip(question["meters"], pool.map(one, question["meters"].values()), strict=True))
    finally:
        shutil.rmtree(directory)


def places(meter: dict[str, Any]) -> list[Any]:
    """Where the values stand, in the order of the answer."""
    return [meter["power"], *meter["phase_power"], *meter["phase_current"]]


def over_modbus(meter: dict[str, Any]) -> list[float]:
    """One request per value on one connection: meters allow no gaps in a request, and behind gateways few registers."""
    size = struct.calcsize(TYPES[meter["type"]])
    with socket.create_connection((meter["address"], meter["port"]), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        answers = [
            registers(connection, number, meter["unit"], FUNCTIONS[meter["registers"]], register, size // 2)
            for number, register in enumerate(places(meter), start=1)
        ]
    if meter["low_word_first"] and size == DOUBLE:
        answers = [answer[2:] + answer[:2] for answer in answers]
    return [float(struct.unpack(TYPES[meter["type"]], answer)[0]) for answer in answers]


def registers(connection: socket.socket, number: int, unit: int, function: int, register: int, count: int) -> bytes:
    """The bytes of a few registers."""
    connection.sendall(struct.pack(">HHHBBHH", number, 0, 6, unit, function, register, count))
    back, protocol, length, _ = struct.unpack(">HHHB", received(connection, 7))
    if (back, protocol) != (number, 0) or not SHORTEST <= length <= LONGEST:
        raise MeterError("the answer is not Modbus TCP")
    body = received(connection, length - 1)
    if body[0] == function | 0x80:
        raise MeterError(f"it refuses register {register}: {EXCEPTIONS.get(body[1], f'exception {body[1]}')}")
    if body[0] != function or body[1] != 2 * count or len(body) != 2 + 2 * count:
        raise MeterError(f"the answer does not fit register {register}")
    return body[2:]


def received(connection: socket.socket, size: int) -> bytes:
    """Exactly so many bytes."""
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise MeterError("it closed the connection")
        found += part
    return found


def over_snmp(meter: dict[str, Any], directory: str) -> list[float]:
    """One question for all values. Version and secret stand in snmp.conf, so that no list of processes shows them."""
    address = f"udp6:[{meter['address']}]" if ":" in meter["address"] else f"udp:{meter['address']}"
    asked = [f".{oid}" for oid in places(meter)]
    command = [
        "snmpget",
        "-On",
        "-Oqv",
        "-Oe",
        "-r",
        "1",
        "-t",
        str(TIMEOUT_S / 2),
        f"{address}:{meter['port']}",
        *asked,
    ]
    try:
        done = subprocess.run(
            command,
            env={
                "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
                "SNMPCONFPATH": directory,
                "SNMP_PERSISTENT_DIR": directory,
                "MIBS": "",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=4 * TIMEOUT_S,
        )
    except FileNotFoundError as error:
        raise MeterError("snmpget is not installed here: bring the site up") from error
    except subprocess.TimeoutExpired as error:
        raise MeterError(f"no answer within {4 * TIMEOUT_S:g} s") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["snmpget failed"])[-1]
        raise MeterError(last.removeprefix("snmpget: ").rstrip("."))
    lines = done.stdout.split("\n")[: len(asked)]
    return [number(line, oid) for line, oid in zip(lines, asked, strict=False)]


def number(text: str, oid: str) -> float:
    """A value as snmpget prints it."""
    try:
        return float(text.strip().strip('"'))
    except ValueError:
        raise MeterError(f"{oid}: {text.strip() or 'nothing'}") from None


def answer(question: str) -> None:
    """Print the answer."""
    print(json.dumps(read_all(json.loads(question))))
