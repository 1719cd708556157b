"""Which machine stands in a slot: its serial number and MAC address, from the stack or from a vendor's list."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gridmill.core.base import Part, text
from gridmill.core.errors import Problem, printable

SERIAL = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$"
MAC_EXPECTED = "a unicast MAC address such as 02:00:5e:10:00:01"

HEADERS = {
    "pod": ("pod",),
    "rack": ("rack",),
    "unit": ("unit", "u", "rack unit", "position"),
    "serial": ("serial", "serial number", "serial no", "s/n", "service tag"),
    "mac": ("mac", "mac address", "nic mac"),
}
"""What a column may be called in the first line of a list, in any case; other columns are ignored."""
LARGEST_LIST = 4_000_000
"""Characters; 10,000 machines take under 1 MB."""


def normal_mac(text: str) -> str:
    """`02-00-5E-10-00-01` as `02:00:5e:10:00:01`; empty when it is not an address of one machine."""
    plain = text.lower().replace("-", ":")
    if not re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", plain, re.ASCII):
        return ""
    return "" if int(plain[:2], 16) & 1 or not plain.strip("0:") else plain


def parse_mac(value: object) -> str:
    """A MAC address in lower case with colons."""
    if mac := normal_mac(value) if isinstance(value, str) else "":
        return mac
    context = {"found": printable(value), "expected": MAC_EXPECTED, "hint": ""}
    raise PydanticCustomError("mac", "{found} is not a MAC address", context)


MacAddress = Annotated[
    str,
    BeforeValidator(parse_mac),
    WithJsonSchema({"type": "string", "pattern": "^([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}$"}),
]


class Machine(Part):
    """What the machine in a slot is known by, beside its host key. A node that was replaced has another serial number,
    and is converged again."""

    serial: Annotated[str, text(SERIAL, "a serial number as the firmware tells it, such as EX123456")] | None = None
    """Serial number, as the firmware tells it (DMI)."""
    mac: MacAddress | None = None
    """MAC address of one of its network interfaces."""


@dataclass(frozen=True)
class ListedMachine:
    """A line of a vendor's list."""

    pod: str
    rack: str
    unit: int
    machine: Machine
    file: str
    line: int

    @property
    def slot(self) -> str:
        """As written in the stack: `r1/u9`."""
        return f"{self.rack}/u{self.unit}"

    def problem(self, message: str, expected: str = "", hint: str = "") -> Problem:
        """Something wrong with this line."""
        return Problem((), message, expected, hint, self.file, self.line)


def parse_machine_list(text: str, file: str) -> tuple[list[ListedMachine], list[Problem]]:
    """The machines of a CSV text (comma or semicolon, first line names the columns), and what is wrong with it."""
    if len(text) > LARGEST_LIST:
        return [], [Problem((), f"{len(text)} characters are too many", f"at most {LARGEST_LIST}", file=file)]
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text), delimiter=";" if head.count(";") > head.count(",") else ",")
    machines: list[ListedMachine] = []
    problems: list[Problem] = []
    try:
        columns = _columns(next(reader, []))
        if missing := [name for name in ("pod", "rack", "unit") if name not in columns]:
            known = "; ".join(f"{name}: {', '.join(names)}" for name, names in HEADERS.items())
            return [], [Problem((), f"no column for {', '.join(missing)}", known, "", file, 1)]
        for cells in reader:
            values = {name: cells[at].strip() for name, at in columns.items() if at < len(cells)}
            if any(values.values()):
                found = list(_faults(values, file, reader.line_num))
                problems += found
                if not found and (machine := _machine(values)):
                    place = (values["pod"], values["rack"], _unit(values["unit"]))
                    machines.append(ListedMachine(*place, machine, file, reader.line_num))
    except csv.Error as error:
        problems.append(Problem((), f"not CSV: {error}", "", "", file, reader.line_num))
    return machines, problems


def _columns(cells: list[str]) -> dict[str, int]:
    names = {alias: name for name, aliases in HEADERS.items() for alias in aliases}
    found: dict[str, int] = {}
    for at, cell in enumerate(cells):
        plain = re.sub(r"[\s_]+", " ", cell.strip().lower().rstrip("."))
        if plain in names:
            found.setdefault(names[plain], at)
    return found


def _faults(values: dict[str, str], file: str, line: int) -> Iterator[Problem]:
    for name in ("pod", "rack", "unit"):
        if not values.get(name):
            yield Problem((), f"{name} is empty", "pod, rack and unit in every line", "", file, line)
    if values.get("unit") and not _unit(values["unit"]):
        yield Problem((), f"{printable(values['unit'])} is not a rack unit", "a number such as 9", "", file, line)
    serial, mac = values.get("serial", ""), values.get("mac", "")
    if serial and not re.fullmatch(SERIAL, serial, re.ASCII):
        expected = f"text that matches {SERIAL}"
        yield Problem((), f"{printable(serial)} is not a serial number", expected, "", file, line)
    if mac and not normal_mac(mac):
        yield Problem((), f"{printable(mac)} is not a MAC address", MAC_EXPECTED, "", file, line)


def _unit(text: str) -> int:
    """`U09` or `9` as 9; 0 when it is not a rack unit."""
    match = re.fullmatch(r"[uU]?([0-9]{1,3})", text, re.ASCII)
    return int(match[1]) if match else 0


def _machine(values: dict[str, str]) -> Machine | None:
    serial, mac = values.get("serial") or None, values.get("mac") or None
    return Machine(serial=serial, mac=mac) if serial or mac else None
