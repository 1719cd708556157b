"""What stands and runs, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridmill.lab import meters, network, proxy
from gridmill.lab.rack import RackedHost
from gridmill.lab.site import LabSite
from gridmill.lab.ssh import port_answers

_MIB = 2**20


def collect(site: LabSite, added: Sequence[RackedHost] = ()) -> dict[str, Any]:
    """State of a virtual site as plain data: memory in bytes, uptime in seconds.

    `added` are the machines of the definition as it is now: those that nobody racked yet are listed as well.
    """
    planned = {host.name: host for host in (*site.rack.hosts, *added)}
    machines = []
    for name in [*planned, *sorted(set(site.unplanned()) - set(planned))]:
        host = planned.get(name)
        machine = site.machine(name)
        process = machine.running()
        state = "down"
        if process:
            state = "up" if host is None or port_answers(host.address) else "booting"
        machines.append(
            {
                "name": name,
                "address": host.address if host else None,
                "planned": host is not None,
                "racked": machine.rootfs() is not None,
                "state": state,
                "pid": process.pid if process else None,
                "memory_bytes": machine.memory_bytes() if process else None,
                "uptime_s": round(process.uptime_seconds(), 1) if process else None,
                "simulated_gpus": host.gpus.count if host and host.gpus else 0,
            }
        )
    squid = proxy.running(site.paths)
    return {
        "schema": "gridmill.lab-status/v1",
        "site": site.rack.name,
        "simulated": True,
        "bridge": {
            "name": site.bridge.name,
            "address": site.bridge.interface,
            "state": "up" if network.is_up(site.bridge) else "down",
        },
        "proxy": {
            "address": f"{site.rack.bridge_address}:{proxy.PORT}",
            "state": "up" if squid else "down",
            "pid": squid.pid if squid else None,
        },
        **({"meters": meters.collect(site.paths, site.rack)} if site.rack.meters else {}),
        "identity_file": site.rack.identity_file,
        "known_hosts_file": site.rack.known_hosts_file,
        "machines": machines,
    }


def is_up(status: dict[str, Any]) -> bool:
    """Whether everything that is planned runs."""
    machines = [machine["state"] == "up" for machine in status["machines"] if machine["planned"]]
    metered = status.get("meters", {"state": "up"})["state"] == "up"
    return all(machines) and metered and status["bridge"]["state"] == "up" and status["proxy"]["state"] == "up"


def render(status: dict[str, Any]) -> str:
    """The state as a table."""
    rows = [("machine", "address", "state", "pid", "memory", "uptime", "simulated GPUs")]
    for machine in status["machines"]:
        memory, uptime = machine["memory_bytes"], machine["uptime_s"]
        rows.append(
            (
                machine["name"] if machine["planned"] else f"{machine['name']} (not planned)",
                machine["address"] or "-",
                machine["state"] if machine["racked"] else "not racked (lab up)",
                str(machine["pid"] or "-"),
                "-" if memory is None else f"{memory / _MIB:.0f} MiB",
                "-" if uptime is None else _duration(uptime),
                str(machine["simulated_gpus"] or "-"),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    bridge, squid = status["bridge"], status["proxy"]
    return "\n".join(
        [
            f"simulated site {status['site']}: machines are systemd-nspawn containers, GPUs are simulated",
            *table,
            f"bridge {bridge['name']} {bridge['address']}: {bridge['state']}",
            f"package proxy {squid['address']}: {squid['state']}",
            *_meters(status.get("meters")),
        ]
    )


def _meters(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    shown = ", ".join(f"{key} {address}" for key, address in found["addresses"].items())
    return [f"simulated meters {shown}: {found['state']}"]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
