"""Checks of which machine this is, by what its firmware and its interfaces tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.gridmill.site.plugins.module_utils.checks.result import Check, result
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Run

INTERFACES = Path("/sys/class/net")


def machine(wanted: dict[str, Any], run: Run, interfaces: Path = INTERFACES) -> Check:
    """The machine tells `serial` in `serial_file`, and has `mac`; what is not wanted is reported all the same."""
    del run
    serial, mac = str(wanted.get("serial", "")), str(wanted.get("mac", "")).lower()
    told, macs = serial_number(Path(str(wanted["serial_file"]))), addresses(interfaces)
    expected = ", ".join(f"{what} {value}" for what, value in (("serial", serial), ("MAC", mac)) if value)
    return result(
        "machine",
        ok=(not serial or told.casefold() == serial.casefold()) and (not mac or mac in macs),
        expected=expected or "any",
        found=f"serial {told or 'unknown'}, MAC {' '.join(macs) or 'unknown'}",
        hint="another machine stands in this slot: correct the stack or the vendor's list, or put the right one there",
    )


def serial_number(path: Path) -> str:
    """What the file says, or nothing."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def addresses(interfaces: Path) -> list[str]:
    """MAC addresses of all interfaces; of a bond's members those that they were made with."""
    found: set[str] = set()
    for pattern in ("*/address", "*/bonding_slave/perm_hwaddr"):
        found.update(serial_number(path).lower() for path in interfaces.glob(pattern))
    return sorted(mac for mac in found if mac.strip("0:"))
