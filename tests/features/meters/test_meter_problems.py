"""Meters that cannot be asked: each with its exact problem, and what would fix it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_problems import Case, check_case

PDUS = (("          r1: {}\n", "          r1: {pdus: {A: pdu-3x63a, B: pdu-3x63a}}\n"),)
SNMP = "snmp: {secretFile: /etc/secret}, "


def meter(name: str, line: str, path: str, message: str, hint: str = "", snmp: str = "") -> Case:
    """One bad meter, `m`, beside a good one of the connection."""
    good = "main: {measures: grid, sku: eastron-sdm630, address: 198.18.0.32}"
    power = f"    power: {{feeds: {{A: {{}}, B: {{}}}}, {snmp}meters: {{{good}, m: {{{line}}}}}}}\n"
    return Case(name, "    pods:\n", f"{power}    pods:\n", f"power.meters.m{path}", message, hint, also=PDUS)


SDM, APC = "sku: eastron-sdm630", "sku: apc-rpdu2"

CASES = [
    meter("of a word", f"measures: everything, {SDM}, address: 198.18.0.33", ".measures", "everything is nothing that has a meter"),
    meter("of a number", f"measures: 1, {SDM}, address: 198.18.0.33", ".measures", "1 is nothing that has a meter"),
    meter("of a rack", f"measures: pod-a/r1, {SDM}, address: 198.18.0.33", ".measures", "pod-a/r1 is nothing that has a meter"),
    meter("of nothing", f"{SDM}, address: 198.18.0.33", ".measures", "missing", "add it"),
    meter("of an unknown pod", f"measures: pod-x/r1/A, {SDM}, address: 198.18.0.33", ".measures", "unknown pod pod-x"),
    meter("of an unknown rack", f"measures: pod-a/r2/A, {SDM}, address: 198.18.0.33", ".measures", "unknown rack r2 of pod-a"),
    meter("of an unknown feed", f"measures: C, {SDM}, address: 198.18.0.33", ".measures", "unknown feed C",
          "add C under power.feeds"),
    meter("of what has one", f"measures: grid, {SDM}, address: 198.18.0.33", ".measures", "grid is measured by main already",
          "remove one"),
    meter("unknown SKU", "measures: A, sku: eastron-sdm63, address: 198.18.0.33", ".sku", "unknown SKU eastron-sdm63",
          "did you mean eastron-sdm630?"),
    meter("a PDU as its meter", "measures: A, sku: pdu-3x63a, address: 198.18.0.33", ".sku", "unknown SKU pdu-3x63a",
          "add that file"),
    meter("no address", f"measures: A, {SDM}", ".address", "missing", "add it"),
    meter("a name", f"measures: A, {SDM}, address: meter-1", ".address", "meter-1 is not an address"),
    meter("a network", f"measures: A, {SDM}, address: 198.18.0.32/24", ".address", "198.18.0.32/24 is not an address"),
    meter("this machine", f"measures: A, {SDM}, address: 127.0.0.1", ".address", "127.0.0.1 is not an address of a meter"),
    meter("everybody", f"measures: A, {SDM}, address: 224.0.0.1", ".address", "224.0.0.1 is not an address of a meter"),
    meter("the gateway", f"measures: A, {SDM}, address: 198.18.0.1", ".address",
          "198.18.0.1 is the first address of the supernet"),
    meter("among machines", f"measures: A, {SDM}, address: 198.18.4.65", ".address",
          "198.18.4.65 lies among the machines of pod pod-a"),
    meter("the same address", f"measures: A, {SDM}, address: 198.18.0.32", ".address", "main stands at 198.18.0.32, too",
          "another address, or the unit of each behind one gateway"),
    meter("port zero", f"measures: A, {SDM}, address: 198.18.0.33, port: 0", ".port", "`0` is not valid"),
    meter("port as text", f'measures: A, {SDM}, address: 198.18.0.33, port: "502"', ".port", "`502` is not valid"),
    meter("unit too high", f"measures: A, {SDM}, address: 198.18.0.33, unit: 256", ".unit", "`256` is not valid"),
    meter("a password", f"measures: A, {SDM}, address: 198.18.0.33, community: public", ".community", "unknown key",
          "did you mean `unit`?"),
    meter("SNMP without a way", f"measures: A, {APC}, address: 198.18.0.33", ".sku",
          "apc-rpdu2 speaks SNMP, and the stack does not say how to ask",
          "snmp: {user: NAME, secretFile: FILE} under power"),
    meter("SNMP with a unit", f"measures: A, {APC}, address: 198.18.0.33, unit: 2", ".unit",
          "apc-rpdu2 speaks SNMP, which knows no units", "remove it", SNMP),
    Case("SNMP without a secret", "    pods:\n", "    power: {feeds: {A: {}}, snmp: {user: reader}}\n    pods:\n",
         "power.snmp.secretFile", "missing", "add it"),
    Case("SNMP user with a blank", "    pods:\n",
         "    power: {feeds: {A: {}}, snmp: {user: a reader, secretFile: /s}}\n    pods:\n",
         "power.snmp.user", "`a reader` is not valid"),
    Case("SNMP with the community", "    pods:\n",
         "    power: {feeds: {A: {}}, snmp: {secretFile: /s, community: public}}\n    pods:\n",
         "power.snmp.community", "unknown key", "remove it"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_meter_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)


def test_a_pdu_that_is_not_there(tmp_path: Path) -> None:
    case = meter("no PDU", f"measures: pod-a/r1/B, {SDM}, address: 198.18.0.33", ".measures", "pod-a/r1 has no PDU on feed B",
                 "B under pdus of r1")  # fmt: skip
    pdu = ((PDUS[0][0], PDUS[0][1].replace(", B: pdu-3x63a", "")),)
    check_case(Case(case.name, case.old, case.new, case.path, case.message, case.hint, also=pdu), tmp_path)
