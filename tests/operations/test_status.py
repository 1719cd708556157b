"""Status: the plan beside what the controller says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect.status import (
    MARK,
    LastRun,
    NodeStatus,
    last_runs,
    pod_status,
    site_status,
    status_data,
)
from gridmill.operations.inspect.status_table import status_table
from gridmill.operations.run.results import failures_of

AT = "2026-11-22T01:00:00Z"
GRES = "gpu:h100:8(S:0)"


def said(states: dict[str, str], ledger: dict[str, str]) -> str:
    lines = [f"{name}|{state.replace('|', f'|{GRES}|')}" for name, state in states.items()]
    hosts = {name: {"address": "10.0.0.1", "digest": digest, "at": AT} for name, digest in ledger.items()}
    return "\n".join([*lines, MARK, json.dumps({"schema": "gridmill.ledger/v1", "hosts": hosts})])


GOOD_STATES = {"pod-a-r1-u01": "idle|none", "pod-a-r1-u09": "mixed|none"}
GOOD_LEDGER = dict.fromkeys(("pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38"), "abc")


def status(
    plan: SitePlan, states: dict[str, str], ledger: dict[str, str], runs: dict[str, LastRun] | None = None
) -> dict[str, NodeStatus]:
    return {node.name: node for node in site_status(plan, lambda: said(states, ledger), runs)}


def with_maintenance(plan: SitePlan) -> SitePlan:
    (pod,) = plan.pods
    hosts = tuple(replace(h, maintenance="fan, ticket 7" if h.name == "pod-a-r1-u09" else None) for h in pod.hosts)
    return replace(plan, pods=(replace(pod, hosts=hosts),))


def test_a_good_site(lab_plan: SitePlan) -> None:
    runs = {"control": LastRun(AT, ok=True)}
    nodes = list(status(lab_plan, GOOD_STATES, GOOD_LEDGER, runs).values())
    assert [node.problems for node in nodes] == [()] * 4
    assert [node.converged for node in nodes] == [AT] * 4
    assert all(node.found and node.working for node in nodes)
    assert status_data(lab_plan, nodes)["ok"] is True
    (pod,) = pod_status(lab_plan, nodes)
    assert (pod.nodes_planned, pod.nodes_found, pod.nodes_working) == (4, 4, 4)
    assert (pod.gpus_planned, pod.gpus_found, pod.nameplate_w, pod.converged) == (16, 16, 22_400, AT)
    table = status_table(lab_plan, nodes)
    assert table.startswith("Site lab, simulated: 27 kW at the meter, of 33.171 kW\n")
    assert table.endswith("no problems")


def test_a_reboot_that_is_due_is_told_and_is_no_problem(lab_plan: SitePlan) -> None:
    due = "reboot needed: boot line +iommu=pt"
    text = said(GOOD_STATES, GOOD_LEDGER).replace('"at": ', f'"reboot": "{due}", "at": ', 1)
    nodes = site_status(lab_plan, lambda: text, {"control": LastRun(AT, ok=True)})
    assert [node.reboot for node in nodes].count(due) == 1
    assert status_data(lab_plan, nodes)["ok"] is True and due in status_table(lab_plan, nodes)


@pytest.mark.parametrize(
    ("state", "found", "problem"),
    [
        ("drained|PSU 3", True, "Slurm: drained (PSU 3)"),
        ("down*|Not responding", False, "Slurm: down* (Not responding)"),
        ("idle*|none", False, "Slurm: idle*"),
        ("unknown|none", False, "Slurm: unknown"),
        ("inval|gres/gpu count reported lower", False, "Slurm: inval (gres/gpu count reported lower)"),
        ("planned|none", True, ""),
        ("allocated+completing|none", True, ""),
    ],
)
def test_slurms_word(state: str, found: bool, problem: str, lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {**GOOD_STATES, "pod-a-r1-u01": state}, GOOD_LEDGER)
    node = nodes["pod-a-r1-u01"]
    assert (node.found, "; ".join(node.problems)) == (found, problem)
    assert node.gpus_found == (8 if found else 0)
    assert pod_status(lab_plan, list(nodes.values()))[0].nodes_working == (3 if problem else 4)


def test_what_nobody_knows_is_a_problem(lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {}, {})
    assert nodes["pod-a-r1-u01"].problems == ("Slurm does not know it", "not converged completely")
    assert nodes["pod-a-r1-u38"].problems == ("not converged completely",)
    assert nodes["pod-a-r1-u38"].found is False
    assert nodes["pod-a-r1-u40"].problems == ()


def test_half_converged_says_what_failed_in_the_last_run(lab_plan: SitePlan) -> None:
    check = {"check": "gpus", "ok": False, "expected": "8", "found": "7"}
    report = {"hosts": {"pod-a-r1-u09": {"ok": False, "failures": [], "checks": [check]}, "x": {"ok": True}}}
    runs = {"pod-a": LastRun(AT, ok=False, failures=failures_of(report))}
    nodes = status(lab_plan, GOOD_STATES, {**GOOD_LEDGER, "pod-a-r1-u09": ""}, runs)
    assert nodes["pod-a-r1-u09"].problems == ("not converged completely", "last run: check gpus: expected 8, found 7")


def test_reports_of_this_machine_are_read(lab_plan: SitePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    assert last_runs(lab_plan) == {}
    reports = tmp_path / "sites" / "lab" / "reports"
    reports.mkdir(parents=True)
    (reports / "control-apply.json").write_text(json.dumps({"finished": AT, "ok": True, "hosts": {}}))
    assert last_runs(lab_plan) == {"control": LastRun(AT, ok=True)}
    (reports / "pod-a-apply.json").write_text("{")
    with pytest.raises(OperationError, match="is not a report of a run"):
        last_runs(lab_plan)


def test_maintenance_is_no_problem(lab_plan: SitePlan) -> None:
    plan = with_maintenance(lab_plan)
    states = {**GOOD_STATES, "pod-a-r1-u09": "down*+drain|fan, ticket 7 (maintenance, by Gridmill)"}
    nodes = status(plan, states, {**GOOD_LEDGER, "pod-a-r1-u09": ""})
    node = nodes["pod-a-r1-u09"]
    assert (node.maintenance, node.problems, node.working, node.converged) == ("fan, ticket 7", (), False, AT)
    (pod,) = pod_status(plan, list(nodes.values()))
    assert (pod.nodes_in_maintenance, pod.nodes_working, pod.problems) == (1, 3, 0)
    lines = status_table(plan, list(nodes.values())).splitlines()
    assert any(line.startswith("pod-a-r1-u09") and line.endswith("maintenance: fan, ticket 7") for line in lines)
    undrained = status(plan, GOOD_STATES, GOOD_LEDGER)["pod-a-r1-u09"]
    assert undrained.problems == ("Slurm: mixed, not drained: `pulumi up` drains it",)


def test_a_planned_pod_is_told_and_not_looked_for(lab_plan: SitePlan) -> None:
    (pod,) = lab_plan.pods
    plan = replace(lab_plan, future=(replace(pod, key="pod-b", planned_from="2027-04-01"),))
    nodes = list(status(plan, GOOD_STATES, GOOD_LEDGER).values())
    assert len(nodes) == 4
    later = pod_status(plan, nodes)[1]
    assert (later.pod, later.planned_from, later.nodes_planned, later.nodes_found) == ("pod-b", "2027-04-01", 4, 0)
    assert "planned, from 2027-04-01" in status_table(plan, nodes)


def test_what_is_not_planned_is_named(lab_plan: SitePlan) -> None:
    nodes = status(lab_plan, {**GOOD_STATES, "pod-a-r1-u17": "idle|none"}, GOOD_LEDGER)
    assert nodes["pod-a-r1-u17"].problems[0].startswith("not planned")
    assert nodes["pod-a-r1-u17"].planned is False


def test_a_broken_ledger_is_an_error(lab_plan: SitePlan) -> None:
    with pytest.raises(OperationError, match="ledger on the controller cannot be read"):
        site_status(lab_plan, lambda: f"{MARK}\n{{")


def test_every_key_is_documented(lab_plan: SitePlan, root: Path) -> None:
    data = status_data(lab_plan, list(status(lab_plan, GOOD_STATES, GOOD_LEDGER).values()))
    text = (root / "docs" / "reference" / "status.md").read_text(encoding="utf-8")
    for part in (data, data["power"], data["pods"][0], data["nodes"][0]):
        assert [key for key in part if f"`{key}`" not in text] == []
