"""Contracts, dates and ramps that cannot be: each with its exact problem."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_problems import Case, check_case

GRID = "    grid: {connection: 3x63A, pue: 1.25}"


def grid(name: str, more: str, path: str, message: str, hint: str = "") -> Case:
    """More under `grid`."""
    line = f"{GRID[:-1]}, {more}}}"
    return Case(name, GRID, line, f"grid.{path}", message, hint, line)


def contract(name: str, more: str, path: str, message: str, hint: str = "") -> Case:
    """More in a contract that holds by itself."""
    return grid(name, f"contract: {{firm: 40 kW, {more}}}", f"contract.{path}", message, hint)


PLANNED = """      pod-b:
        like: pod-a
        from: 2027-04-01
        nodes:
          gpu: {at: [r1/u1, r1/u9]}
encryptionsalt"""

CASES = [
    contract("later as list", "later: [50 kW]", "later", "`a list` is not valid"),
    contract("later without unit", "later: {2027-04-01: 50}", "later.2027-04-01", "50 is not a quantity",
             "write the unit: 50 kW"),
    contract("later on no day", "later: {2027-02-30: 41 kW}", "later.2027-02-30",
             "2027-02-30 is not a date"),
    contract("later in a month", "later: {2027-04: 41 kW}", "later.2027-04", "2027-04 is not a date"),
    contract("a date in another form", "later: {20270401: 41 kW}", "later.20270401",
             "20270401 is not how a date is written as a key", "write 2027-04-01"),
    contract("later nothing", "later: {2027-04-01: 0 kW}", "later.2027-04-01", "0 kW is not a quantity",
             "a positive amount, whole in its base unit"),
    contract("more than the connection, later", "later: {2027-04-01: 42 kW}", "later.2027-04-01",
             "42 kW is more than the connection carries", "a larger connection"),
    grid("budgets over the contract", "contract: {firm: 24 kW}", "contract.firm",
         "the pods' budgets, 24 kW of IT load, need 30 kW at the meter (PUE 1.25); limit: 24 kW of contracted power",
         "budgets of 19.2 kW together, or more contracted"),
    contract("later than never", "since: 2027-05-01, later: {2027-04-01: 41 kW}", "later.2027-04-01",
             "2027-04-01 is not after 2027-05-01, since when the contract runs",
             "once it applies, write `firm: 41 kW` and remove the line"),
    contract("congested since when", "congested: true", "since",
             "in a congested area it matters since when the power is contracted",
             "since: 2026-10-01, as the contract says"),
    contract("since a word", "since: always", "since", "always is not a date"),
    contract("since a year", "since: 2026", "since", "2026 is not a date"),
    contract("congested as text", 'congested: "yes"', "congested", "`yes` is not valid"),
    contract("voltage as a number", "voltage: 10", "voltage", "`10` is not valid"),
    contract("voltage that nobody has", "voltage: extra", "voltage", "`extra` is not valid"),
    contract("misspelt", "congestion: true", "congestion", "unknown key", "did you mean `congested`?"),
    grid("ramp without unit", "ramp: 40", "ramp", "40 is not a quantity"),
    grid("ramp as power", "ramp: 40 kW", "ramp", "40 kW is not a quantity", "write 40 kW/min"),
    grid("ramp in hours", "ramp: 40 kW/h", "ramp", "40 kW/h is not a quantity"),
    grid("ramp in wrong case", "ramp: 40 KW/min", "ramp", "40 KW/min is not a quantity", "write 40 kW"),
    grid("ramp of nothing", "ramp: 0 kW/min", "ramp", "0 kW/min is not a quantity",
         "a positive amount, whole in its base unit"),
    grid("ramp down", "ramp: -1 kW/min", "ramp", "-1 kW/min is not a quantity"),
    grid("ramp as a number that is none", "ramp: .nan", "ramp", "nan is not a quantity"),
    grid("a ramp that one node breaks", "ramp: 2 kW/min", "ramp",
         "one sim-dgx-h100 (gpu of pod-a) is 2.5 kW at the meter without work, more than 2 kW in a minute",
         "agree on a higher ramp, or a battery or load bank that takes the step"),
    Case("a pod before its power", GRID, f"{GRID[:-1]}, contract: {{firm: 32 kW, later: {{2027-05-01: 41 kW}}}}}}",
         "grid.contract.firm",
         "by 2027-04-01, the pods' budgets, 32 kW of IT load, need 40 kW at the meter (PUE 1.25); limit: 32 kW of contracted"
         " power",
         "budgets of 25.6 kW together, pods that come later, or more contracted by then", "firm: 32 kW",
         (("encryptionsalt", PLANNED.replace("        nodes", "        budget: 8 kW\n        nodes")
           .replace("[r1/u1, r1/u9]", "[r1/u40]").replace("gpu: {at", "extra: {sku: sim-mgmt, services: [login], at")),)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_grid_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)
