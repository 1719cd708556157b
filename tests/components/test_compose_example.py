"""The sample that composes two sites: its definitions are good, and the command reads what it writes of them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from gridmill.load import build_definition
from gridmill.operations.cli import main
from gridmill.plan import plan_site
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "compose"


def test_two_sites_from_one_list(tmp_path: Path) -> None:
    fleet = runpy.run_path(str(EXAMPLE / "fleet.py"))
    plans = [
        plan_site(build_definition({"name": row.name, **fleet["definition"](row)}, tmp_path)) for row in fleet["FLEET"]
    ]
    assert [(plan.name, len(plan.hosts), plan.meter_w) for plan in plans] == [("ems1", 9, 25_000), ("hgl1", 5, 13_000)]
    assert len({host.address for plan in plans for host in plan.hosts}) == 14, "no address stands for two machines"


def test_the_command_reads_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE / "fleet.py"))["write_files"](tmp_path)
    assert main(["validate", str(tmp_path / "hgl1.yaml")]) == 0
    assert capsys.readouterr().out == "hgl1: ok, 5 nodes\n"
