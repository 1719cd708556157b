"""Status: the plan beside what the controller says."""

from __future__ import annotations

import json

import pytest

from gridmill.plan import SitePlan
from operations.errors import OperationError
from operations.status import MARK, NodeStatus, site_status, status_data, status_table

AT = "2026-11-22T01:00:00Z"


def said(states: dict[str, str], ledger: dict[str, str]) -> str:
    lines = [f"{name}|{state}" for name, state in states.items()]
    hosts = {name: {"address": "10.0.0.1", "digest": digest, "at": AT} for name, digest in ledger.items()}
    return "\n".join([*lines, MARK, json.dumps({"schema": "gridmill.ledger/v1", "hosts": hosts})])


GOOD_STATES = {"pod-a-r1-u01": "idle|none", "pod-a-r1-u09": "mixed|none"}
GOOD_LEDGER = dict.fromkeys(("pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38"), "abc")


def status(plan: SitePlan, states: dict[str, str], ledger: dict[str, str]) -> dict[str, NodeStatus]:
    return {node.name: node for node in site_status(plan, lambda: said(states, ledger))}


def test_a_good_site(lab_plan: SitePlan) -> None:
    nodes = list(status(lab_plan, GOOD_STATES, GOOD_LEDGER).values())
    assert [node.problem for node in nodes] == [""] * 4
    assert status_data(lab_plan, nodes)["ok"] is True
    table = status_table(lab_plan, nodes)
    assert table.startswith("Site lab, simulated\n")
    assert table.endswith("no problems")


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ("drained|PSU 3", "Slurm: drained (PSU 3)"),
        ("down*|Not responding", "Slurm: down* (Not responding)"),
        ("idle*|none", "Slurm: idle*"),
        ("unknown|none", "Slurm: unknown"),
        ("planned|none", ""),
        ("allocated+completing|none", ""),
    ],
)
def test_slurms_word(state: str, problem: str, lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {**GOOD_STATES, "pod-a-r1-u01": state}, GOOD_LEDGER)
    assert nodes["pod-a-r1-u01"].problem == problem


def test_what_nobody_knows_is_a_problem(lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {}, {})
    assert nodes["pod-a-r1-u01"].problem == "Slurm does not know it; not converged wholly"
    assert nodes["pod-a-r1-u38"].problem == "not converged wholly"
    assert nodes["pod-a-r1-u40"].problem == ""


def test_half_converged_is_not_converged(lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, GOOD_STATES, {**GOOD_LEDGER, "pod-a-r1-u09": ""})
    assert (nodes["pod-a-r1-u09"].converged, nodes["pod-a-r1-u09"].problem) == ("", "not converged wholly")


def test_what_is_not_planned_is_named(lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {**GOOD_STATES, "pod-a-r1-u17": "idle|none"}, GOOD_LEDGER)
    assert nodes["pod-a-r1-u17"].problem.startswith("not planned")
    assert nodes["pod-a-r1-u17"].planned is False


def test_a_broken_ledger_is_an_error(lab_plan: SitePlan) -> None:
    with pytest.raises(OperationError, match="ledger on the controller cannot be read"):
        site_status(lab_plan, lambda: f"{MARK}\n{{")
