"""Plays from a document's roles: their order, their machines, and the fence before everything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridmill.operations.run.plays import plays_of, write_playbook
from tests.conftest import ROOT


def roles(phase: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((ROOT / f"tests/golden/lab/{phase}.json").read_text("utf-8"))["roles"]
    return found


def told(plays: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    return [(play["hosts"], [one["role"].removeprefix("gridmill.site.") for one in play["roles"]]) for play in plays]


def test_a_pod() -> None:
    fence, *plays = plays_of(roles("pod-a"))
    assert fence["hosts"] == "all:!controllers" and "gridmill.site.fence" in fence["tasks"][0]
    assert told(plays) == [
        (
            "all:!controllers",
            ["base", "dns_client", "chrony", "ldap_client", "package_sources", "storage_mounts"],
        ),
        ("gpu:!controllers", ["nvidia", "nccl", "gpu_power", "verify"]),
        ("compute:login:!controllers", ["cuda"]),
        ("login:!compute:!controllers", ["slurm_login"]),
        ("compute:!controllers", ["slurm_compute"]),
        ("all:!controllers", ["node_exporter", "verify"]),
    ]
    assert plays[1]["roles"][-1]["vars"] == {"verify_stage": "hardware"} and "vars" not in plays[-1]["roles"][-1]


@pytest.mark.parametrize("phase", ["storage", "control", "pod-a", "exports"])
def test_every_play_works_on_each_machine_by_itself(phase: str) -> None:
    for play in plays_of(roles(phase)):
        assert play["strategy"] == "linear" and play["gather_facts"] is False
        assert play["become"] is True and play["any_errors_fatal"] is False


def test_the_last_of_a_phase_is_verification() -> None:
    for phase in ("storage", "control", "pod-a", "exports"):
        assert plays_of(roles(phase))[-1]["roles"][-1] == {"role": "gridmill.site.verify"}


def test_a_role_of_a_feature_from_elsewhere_goes_by_its_own_name() -> None:
    *_, play = plays_of([{"role": "motd", "feature": "motd"}])
    assert play["roles"] == [{"role": "motd"}] and play["hosts"] == "all"


def test_the_file_is_for_nobody_else(tmp_path: Path) -> None:
    path = write_playbook(tmp_path, roles("storage"))
    assert path.stat().st_mode & 0o777 == 0o600 and json.loads(path.read_text("utf-8"))[0]["hosts"] == "all"
