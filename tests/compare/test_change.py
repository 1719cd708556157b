"""What a change takes from a site: data, nodes that run jobs, machines; and the consent that it needs."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from components.consent import check_consent
from gridmill.compare.change import CONTROLLER_DATA, Holdings, effect_lines, site_effects
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT

LAB: Any = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))["config"]["gridmill:site"]
GPU_1, GPU_2, STORE, CONTROLLER = "pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38", "pod-a-r1-u40"


def held(**changes: Any) -> Holdings:
    """The lab's holdings with parts of its stack changed, by path with dots."""
    data = copy.deepcopy(LAB)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = data
        for parent in parents:
            place = place.setdefault(parent.replace("_", "-"), {})
        if value is None:
            del place[last]
        else:
            place[last] = value
    return Holdings.of(plan_site(build_definition(data, ROOT)))


def fleet(nodes: int, **more: Any) -> Holdings:
    base = Holdings({"p": {"sku": [f"n[01-{nodes:02d}]"]}}, [f"n[01-{nodes:02d}]"], {}, 25)
    return replace(base, **more)


def told(before: Holdings, after: Holdings) -> list[tuple[str, str]]:
    return [(effect.impact, effect.consent) for effect in site_effects(before, after)]


def test_the_same_site_loses_nothing() -> None:
    assert site_effects(held(), held()) == []
    assert held().data[CONTROLLER_DATA] == {"kind": "slurm", "machines": [CONTROLLER]}
    assert held().machines == {
        "pod-a": {"sim-mgmt": [CONTROLLER], "sim-store": [STORE], "sim-dgx-h100": ["pod-a-r1-u[01,09]"]}
    }


def test_a_volume_that_leaves_needs_consent_by_name() -> None:
    after = held(storage__volumes__scratch=None)
    assert told(held(), after) == [("data at risk", "volume scratch")]
    lines = effect_lines(site_effects(held(), after))
    assert lines[0] == "data at risk: volume scratch leaves: nothing mounts what it holds (pod-a-r1-u38)"
    assert lines[-1] == "      volume scratch: why it is wanted"


def test_data_that_move_need_consent() -> None:
    before = held()
    data = {**before.data, "scratch": {**before.data["scratch"], "kind": "nfs"}}
    assert told(before, replace(before, data=data)) == [("data at risk", "volume scratch")]


def test_a_machine_with_data_that_leaves_or_becomes_another_needs_consent() -> None:
    moved = held(pods__pod_a__nodes__store={"sku": "sim-store", "at": ["r1/u36"]})
    assert ("data at risk", f"machine {STORE}") in told(held(), moved)
    controller = held(pods__pod_a__nodes__control={"sku": "sim-mgmt", "at": ["r1/u42"]})
    assert ("data at risk", f"machine {CONTROLLER}") in told(held(), controller)
    other = replace(held(), machines={"pod-a": {"x": [CONTROLLER], "sim-store": [STORE]}}, workers=[])
    assert ("data at risk", f"machine {CONTROLLER}") in told(held(), other)
    assert ("reprovision", "") in told(held(), other)


def test_one_node_may_always_go_and_more_than_the_share_need_consent() -> None:
    one = held(pods__pod_a__nodes__gpu={"sku": "sim-dgx-h100", "at": ["r1/u1"]})
    assert told(held(), one) == [("drain", "")]
    away = held(pods__pod_a__maintenance={"r1/u1": "fan", "r1/u9": "fan"})
    assert told(held(), away) == [("drain", "loss of 2 nodes")]
    assert told(fleet(8), fleet(8, workers=["n[01-06]"])) == [("drain", "")]
    assert told(fleet(8), fleet(8, workers=["n[01-05]"])) == [("drain", "loss of 3 nodes")]
    assert told(fleet(8), fleet(8, workers=["n[01-05]"], largest_loss=50.0)) == [("drain", "")]


def test_a_consent_holds_for_the_change_that_it_comes_with() -> None:
    agreed = {"loss of 3 nodes": "sold, ticket 118"}
    after = fleet(8, workers=["n[01-05]"], consent=agreed)
    [effect] = site_effects(fleet(8), after)
    assert not effect.refused and "  with consent: sold, ticket 118" in effect_lines([effect])
    assert [effect.refused for effect in site_effects(fleet(8, consent=agreed), after)] == [True], "used before"
    other = fleet(8, workers=["n[01-04]"], consent=agreed)
    assert [effect.refused for effect in site_effects(fleet(8), other)] == [True], "another number"


def test_new_machines_are_named() -> None:
    assert told(fleet(8), fleet(9)) == [("live", "")]


def hook_args(before: Holdings | None, after: Holdings) -> Any:
    old = {"domain": "x"} if before is None else json.loads(json.dumps(asdict(before)))
    return pulumi.ResourceHookArgs("u", "i", "lab", "t", json.loads(json.dumps(asdict(after))), old)


def test_a_run_refuses_and_a_preview_warns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    for level in ("info", "warn"):
        monkeypatch.setattr(pulumi.log, level, lambda text, level=level: said.append((level, text)))
    less = fleet(8, workers=["n[01-04]"])
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    check_consent(hook_args(fleet(8), less))
    check_consent(hook_args(fleet(8), fleet(8, workers=["n[01-07]"])))
    check_consent(hook_args(fleet(8), fleet(9)))
    check_consent(hook_args(None, less))
    assert [level for level, _ in said] == ["warn", "info"]
    assert "`pulumi up` refuses this" in said[0][1]
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    check_consent(hook_args(fleet(8), fleet(8, workers=["n[01-07]"])))
    check_consent(hook_args(None, less))
    with pytest.raises(RuntimeError, match="loss of 4 nodes: why it is wanted"):
        check_consent(hook_args(fleet(8), less))
