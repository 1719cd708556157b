"""`gridmill explain`: inputs, formula and source of the power plan's numbers."""

from __future__ import annotations

import pytest

from gridmill.core.errors import ProblemsError
from gridmill.load import build_definition
from gridmill.operations.cli import main
from gridmill.report.explain import explain
from tests.conftest import ROOT
from tests.power.test_power_chain import site


def lines(path: str, caps: object = "auto", ups: str = "4x50") -> list[str]:
    definition = build_definition(site(nodes=2, racks=2, pdu="pdu-3x63a", caps=caps, ups=ups), ROOT)
    return explain(definition.site, definition.catalog, path)


def test_every_factor_of_a_limit_is_said() -> None:
    found = lines("power.feeds.B.ups", {"gpu": "600 W"})
    assert found[0] == "the UPS of feed B (power.feeds.B.ups)"
    situation = found.index("  with feed A lost:")
    assert found[situation + 1 : situation + 4] == [
        "    load   19.6 kW = 10 kW without GPUs + 16 GPUs of gpu x 600 W",
        "    limit  152 kW = 4 x 50 kVA x power factor 0.95 x 0.8 usable (iec, design margin 0.8)",
        "    margin 132.4 kW",
    ]
    assert any(line.startswith("  dgx-h100 power") and line.endswith(")") for line in found)


def test_the_meter_counts_pue() -> None:
    assert "    load   23.52 kW = (10 kW without GPUs + 16 GPUs of gpu x 600 W) x PUE 1.2" in lines(
        "grid.connection", {"gpu": "600 W"}
    )


def test_what_holds_a_cap_down_is_named() -> None:
    first, *rest = lines("power.caps")
    assert first == "power limit per GPU: gpu 662 W, planned"
    assert rest[0].startswith("  one watt more breaks the power supplies of gpu (dgx-h100) with feed ")
    stated = lines("power.caps", {"gpu": "600 W"})
    assert stated == ["power limit per GPU: gpu 600 W, as the stack says", "  one watt more would break no limit"]


def test_each_situation_of_a_pdu_is_told_once_and_shares_are_fractions() -> None:
    found = lines("pods.pod-a.racks.r1.pdus.A", {"gpu": "600 W"})
    phases = [index for index, line in enumerate(found) if line.startswith("phase ")]
    assert len(phases) == 3
    for start, end in zip(phases, [*phases[1:], found.index("sources:")], strict=True):
        loads = [found[index + 1] for index in range(start + 1, end, 4)]
        assert len(loads) > 2 and len(set(loads)) == len(loads)
    assert any("+ 2 2/3 GPUs of gpu x 600 W" in line for line in found)
    assert any("+ 1 3/5 GPUs of gpu x 600 W" in line for line in found)


def test_a_place_without_a_limit_says_which_have_one() -> None:
    with pytest.raises(ProblemsError) as caught:
        lines("power.feeds.A.breaker")
    assert "power.feeds.A.ups" in caught.value.problems[0].expected


def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "lab", "pods.pod-a.budget"]) == 0
    assert "    limit  24 kW = as agreed in the stack" in capsys.readouterr().out
