"""Power that Slurm is to hold and can't: each with its exact problem, and what would fix it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.test_problems import Case, check_case

SCHEDULED = (("    pods:\n", "    power: {feeds: {A: {}}, scheduled: true}\n    pods:\n"),)

CASES = [
    Case("scheduled in words", "    pods:\n", "    power: {feeds: {A: {}}, scheduled: slurm}\n    pods:\n",
         "power.scheduled", "`slurm` is not valid"),
    Case("not even one node at work", "pue: 1.25}", "pue: 1.25, contract: {firm: 15 kW}}", "grid.contract.firm",
         "needs 17.75 kW; limit: 15 kW, the contracted power with one node of gpu at work",
         "a cap of 425 W per GPU (power.caps)", "contract: {firm", SCHEDULED),
    Case("not even all idle", "pue: 1.25}", "pue: 1.25, contract: {firm: 7 kW}}", "grid.contract.firm",
         "needs 17.75 kW; limit: 7 kW, the contracted power with one node of gpu at work",
         "move nodes elsewhere: 2 of gpu (sim-dgx-h100) alone are too many", "contract: {firm", SCHEDULED),
    Case("nothing to hold back", "sku: sim-dgx-h100,", "sku: sim-mgmt, services: [compute],", "power.scheduled",
         "no group of GPU nodes runs jobs, so there is nothing that Slurm could hold back", "remove the line",
         "scheduled: true", SCHEDULED),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_definition_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)
