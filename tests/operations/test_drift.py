"""Drift of a site: what was found, what is planned only, what could not be looked at, told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from gridmill.kernel.site_plan import SitePlan
from gridmill.operations import cli
from gridmill.operations.inspect.drift import (
    DRIFTED,
    NOTHING,
    UNSEEN,
    HostDrift,
    drift_data,
    drift_table,
    planned_digests,
    site_drift,
    state_of,
    status_of,
)
from gridmill.operations.run.baselines import Answer, Recorded

CONTROL, STORE, GPU = "pod-a-r1-u40", "pod-a-r1-u38", "pod-a-r1-u01"
FOUND = {"kind": "file", "name": "/etc/chrony/chrony.conf", "found": "other content"}


def answers(plan: SitePlan) -> dict[str, Answer]:
    """Everybody is as it was left."""
    return {
        name: Answer(
            scopes={
                scope: Recorded("d", digest, f"2026-11-22T0{len(scope)}:00Z", 7, ()) for scope, digest in found.items()
            }
        )
        for name, found in planned_digests(plan).items()
    }


def drift(plan: SitePlan, changes: Mapping[str, Answer]) -> dict[str, HostDrift]:
    found = site_drift(plan, lambda addresses: {name: {**answers(plan), **changes}[name] for name in addresses})
    return {host.name: host for host in found}


def changed(site: SitePlan, name: str, scope: str, **change: object) -> dict[str, Answer]:
    answer = answers(site)[name]
    return {name: replace(answer, scopes={**answer.scopes, scope: replace(answer.scopes[scope], **change)})}  # type: ignore[arg-type]


def test_every_phase_of_every_machine_is_asked_for(lab_plan: SitePlan) -> None:
    assert {name: set(found) for name, found in planned_digests(lab_plan).items()} == {
        CONTROL: {"control"},
        STORE: {"storage", "pod-a", "exports"},
        GPU: {"pod-a"},
        "pod-a-r1-u09": {"pod-a"},
    }


def test_nothing(lab_plan: SitePlan) -> None:
    found = drift(lab_plan, {})
    assert [state_of(host) for host in found.values()] == ["as left"] * 4
    assert status_of(list(found.values())) == NOTHING
    assert (found[STORE].items, found[STORE].at) == (21, "2026-11-22T05:00Z"), "the oldest of its phases"
    text = drift_table(lab_plan, list(found.values()))
    assert text.startswith("Site lab, simulated: no drift\n")


def test_a_hand_edit(lab_plan: SitePlan) -> None:
    found = drift(lab_plan, changed(lab_plan, STORE, "storage", differences=(FOUND,)))
    assert status_of(list(found.values())) == DRIFTED
    assert found[STORE].differences == ({"phase": "storage", **FOUND},)
    data = drift_data(lab_plan, list(found.values()))
    assert data["ok"] is False and data["simulated"] is True
    assert [host["state"] for host in data["hosts"] if host["name"] == STORE] == ["drift"]
    text = drift_table(lab_plan, list(found.values()))
    assert f"{STORE}  storage: file /etc/chrony/chrony.conf: other content" in text


def test_what_is_planned_and_not_applied_is_no_drift(lab_plan: SitePlan) -> None:
    found = drift(lab_plan, changed(lab_plan, GPU, "pod-a", plan="of yesterday"))
    assert state_of(found[GPU]) == "planned" and found[GPU].planned == ("pod-a",)
    assert status_of(list(found.values())) == NOTHING
    assert "planned and not applied: pod-a" in drift_table(lab_plan, list(found.values()))


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer("timed out", unreachable=True), "unreachable: timed out"),
        (Answer("python3: not found"), "could not be checked: python3: not found"),
        (Answer(), "no baseline of pod-a: no run has ended well here since"),
    ],
)
def test_a_machine_that_could_not_be_looked_at_is_named(lab_plan: SitePlan, answer: Answer, text: str) -> None:
    found = drift(lab_plan, {GPU: answer})
    assert found[GPU].unseen == text and state_of(found[GPU]) == "unseen"
    assert status_of(list(found.values())) == UNSEEN
    both = drift(lab_plan, {GPU: answer, **changed(lab_plan, STORE, "pod-a", differences=(FOUND,))})
    assert status_of(list(both.values())) == DRIFTED


def test_a_machine_in_maintenance_is_not_asked(lab_plan: SitePlan) -> None:
    (pod,) = lab_plan.pods
    hosts = tuple(replace(host, maintenance="fan" if host.name == GPU else None) for host in pod.hosts)
    plan = replace(lab_plan, pods=(replace(pod, hosts=hosts),))
    asked: list[str] = []

    def ask(addresses: Mapping[str, str]) -> dict[str, Answer]:
        asked.extend(addresses)
        return answers(plan)

    found = {host.name: host for host in site_drift(plan, ask)}
    assert GPU not in asked and state_of(found[GPU]) == "maintenance"


def test_the_command(monkeypatch: pytest.MonkeyPatch, lab_plan: SitePlan, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(drift(lab_plan, {GPU: Answer("timed out", unreachable=True)}).values())
    monkeypatch.setattr(cli, "site_drift", lambda _: found)
    monkeypatch.setattr(cli, "require_files", lambda *_: None)
    assert cli.main(["drift", "lab", "--json"]) == UNSEEN
    assert json.loads(capsys.readouterr().out)["schema"] == "gridmill.drift/v1"
    assert cli.main(["drift", "lab"]) == UNSEEN
