"""The simulated meters of a virtual site: `python -m gridmill.lab.meter_server FILE`, in a name space of their own.

Real servers of Modbus TCP (pymodbus) and SNMP (pysnmp); only what they measure is simulated. A meter is worked out when
it is asked, at most every two seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pysnmp.carrier.asyncio.dgram import udp  # type: ignore[import-untyped]
from pysnmp.entity import config, engine  # type: ignore[import-untyped]
from pysnmp.entity.rfc3413 import cmdrsp, context  # type: ignore[import-untyped]
from pysnmp.proto import rfc1902, rfc1905  # type: ignore[import-untyped]
from pysnmp.smi import instrum  # type: ignore[import-untyped]

from gridmill.lab.layout import SitePaths
from gridmill.lab.machine import Machine
from gridmill.lab.metered_load import Reading, draw_w, readings

FRESH_S = 2.0
"""Seconds for which a reading counts."""
READ_FUNCTIONS = (3, 4)
_DRAW = Path(__file__).parent / "gpu_draw.py"
_DRAW_SECONDS = 10

Now = Callable[[], Reading]


@dataclass
class Site:
    """The meters' view of the machines that stand."""

    name: str
    data: dict[str, Any]
    library: str
    last: tuple[float, dict[str, Reading]] = (0.0, {})
    asked: dict[str, float] = field(default_factory=dict)

    def now(self, key: str) -> Reading:
        """What a meter measures now."""
        if time.monotonic() - self.last[0] > FRESH_S:
            found = readings(self.data, [self._draw(load) for load in self.data["loads"]])
            self.last = (time.monotonic(), found)
        return self.last[1][key]

    def _draw(self, load: dict[str, Any]) -> float:
        if not load["host"]:
            return draw_w(load, None)
        machine = Machine(self.name, load["host"], SitePaths(self.name).machine(load["host"]))
        leader = machine.leader()
        if leader is None:
            return 0.0
        return draw_w(load, self._gpus_w(leader) if load["gpus_w"][1] else None)

    def _gpus_w(self, leader: int) -> float | None:
        root = f"/proc/{leader}/root"
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(_DRAW), self.library],
            env={
                "GRIDMILL_LAB_GPUS": f"{root}/etc/gridmill-lab/gpus.conf",
                "GRIDMILL_LAB_GPU_STATE": f"{root}/run/gridmill-lab",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=_DRAW_SECONDS,
        )
        return float(done.stdout) if done.returncode == 0 else None


def words(read: dict[str, Any], reading: Reading) -> dict[int | str, float]:
    """Values as the meter counts them, by where they stand."""
    values = dict.fromkeys([read["power"]], reading.total_w / read["watts"])
    values |= {at: watts / read["watts"] for at, watts in zip(read["phase_power"], reading.power_w, strict=False)}
    values |= {
        at: amperes / read["amperes"] for at, amperes in zip(read["phase_current"], reading.current_a, strict=False)
    }
    return values


def modbus_server(read: dict[str, Any], now: Now) -> ModbusTcpServer:
    """A Modbus TCP server with one meter behind it."""
    kind = {"float32": ">f", "int32": ">i", "uint32": ">I", "int16": ">h", "uint16": ">H"}[read["type"]]
    size = struct.calcsize(kind) // 2
    first = min(read["power"], *read["phase_power"], *read["phase_current"])
    last = max(read["power"], *read["phase_power"], *read["phase_current"]) + size
    wanted = {"holding": 3, "input": 4}[read["registers"]]

    async def fresh(function: int, start: int, _address: int, _count: int, current: list[int], values: Any) -> None:
        if values is not None or function != wanted:
            return
        for at, value in words(read, now()).items():
            exact = value if kind == ">f" else round(value)
            found = list(struct.unpack(f">{size}H", struct.pack(kind, exact)))
            current[int(at) - start : int(at) - start + size] = found[::-1] if read["low_word_first"] else found

    block = SimData(first, count=last - first, values=0, datatype=DataType.REGISTERS, readonly=True)
    device = SimDevice(read["unit"], [block], action=fresh)
    return ModbusTcpServer(device, address=(read["address"], read["port"]))


class _Objects(instrum.AbstractMibInstrumController):  # type: ignore[misc]
    """The objects of one PDU; nothing else is there."""

    def __init__(self, read: dict[str, Any], now: Now) -> None:
        self._read, self._now = read, now

    def read_variables(self, *bindings: Any, **_context: Any) -> list[Any]:
        """GET: whole numbers, or noSuchInstance."""
        values = words(self._read, self._now())
        found = []
        for name, _ in bindings:
            value = values.get(".".join(map(str, name)))
            found.append((name, rfc1902.Gauge32(round(value)) if value is not None else rfc1905.noSuchInstance))
        return found


def start_agent(read: dict[str, Any], now: Now, user: str | None, secret: str) -> engine.SnmpEngine:
    """An SNMP agent that answers GET: SNMPv3 for one user, or SNMPv2c for one community."""
    made = engine.SnmpEngine()
    transport = udp.UdpAsyncioTransport().open_server_mode((read["address"], read["port"]))
    config.add_transport(made, udp.DOMAIN_NAME, transport)
    readable = (1, 3, 6)
    if user:
        config.add_v3_user(made, user, config.USM_AUTH_HMAC96_SHA, secret, config.USM_PRIV_CFB128_AES, secret)
        config.add_vacm_user(made, 3, user, "authPriv", readable)
    else:
        config.add_v1_system(made, "reader", secret)
        config.add_vacm_user(made, 2, "reader", "noAuthNoPriv", readable)
    answered = context.SnmpContext(made)
    answered.unregister_context_name(b"")
    answered.register_context_name(b"", _Objects(read, now))
    cmdrsp.GetCommandResponder(made, answered)
    return made


async def serve(site: Site, secret: str) -> None:
    """All meters, until the process is ended."""
    servers = []
    for key, meter in site.data["meters"].items():
        read = meter["read"]

        def now(key: str = key) -> Reading:
            return site.now(key)

        if read["protocol"] == "modbus":
            servers.append(modbus_server(read, now).serve_forever())
        else:
            start_agent(read, now, site.data["user"], secret)
    print(f"simulated meters of {site.name}: {', '.join(sorted(site.data['meters']))}", flush=True)
    await asyncio.gather(*servers, asyncio.Event().wait())


def main() -> None:
    """Serve what the file describes."""
    question = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    secret_file = question["secret_file"]
    secret = Path(secret_file).read_text(encoding="utf-8").strip() if secret_file else ""
    asyncio.run(serve(Site(question["site"], question["meters"], question["library"]), secret))


if __name__ == "__main__":
    os.umask(0o077)
    main()
