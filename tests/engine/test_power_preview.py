"""What a preview says of power, by the real engine: before from the state, after from the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.engine.found import find_engine
from tests.conftest import ROOT
from tests.engine.pulumi_project import Project

pytestmark = pytest.mark.engine


def power_lines(text: str) -> set[str]:
    return {line.strip() for line in text.splitlines() if line.strip().startswith("power: ")}


def test_a_preview_says_power_before_after_and_margin(tmp_path: Path) -> None:
    engine = find_engine()
    assert engine, "run `make setup`"
    project = Project(tmp_path, engine, Path(__file__).with_name("power_program.py"))
    site: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text())["config"]["gridmill:site"]

    def write() -> None:
        (tmp_path / "root.json").write_text(json.dumps(str(ROOT)))
        (tmp_path / "site.json").write_text(json.dumps(site))

    def preview(*arguments: str) -> str:
        return project.run("preview", "--stack", "conformance", *arguments).output

    write()
    first = preview()
    assert power_lines(first) == {
        "power: at the meter 27 kW of 33.171 kW (margin 6.171 kW);"
        " feed A 21.6 kW of 33.171 kW with feed B lost (margin 11.571 kW);"
        " feed B 21.6 kW of 33.171 kW with feed A lost (margin 11.571 kW);"
        " pod-a 21.6 kW of 24 kW (margin 2.4 kW);"
        " tightest: the power supplies of gpu (sim-dgx-h100) 9.8 kW of 9.9 kW with feed A lost (margin 0.1 kW)"
    }
    assert not power_lines(project.up().output), "an update after its preview does not repeat it"
    assert not power_lines(preview("--expect-no-changes"))

    site["pods"]["pod-a"]["nodes"]["gpu"]["at"].append("r1/u17")
    site["pods"]["pod-a"]["budget"] = "34 kW"
    site["grid"]["connection"] = "3x100A"
    write()
    text = preview("--diff")
    assert power_lines(text) == {
        "power: at the meter 27 -> 39.25 kW of 52.654 kW, before 33.171 kW (margin 13.404 kW);"
        " feed A 21.6 -> 31.4 kW of 33.171 kW with feed B lost (margin 1.771 kW);"
        " feed B 21.6 -> 31.4 kW of 33.171 kW with feed A lost (margin 1.771 kW);"
        " pod-a 21.6 -> 31.4 kW of 34 kW, before 24 kW (margin 2.6 kW);"
        " tightest: phase L3 of the PDU of feed A in pod-a/r1 11 kW of 11.057 kW with feed B lost (margin 0.057 kW)"
    }
    assert "27000 => 39250" in text and "6171 => 13404" in text
    project.up()
    project.run("destroy", "--yes", "--skip-preview", "--stack", "conformance")
