"""What meters say beside the plan: limits, sums that must agree, silence; and what the plan expects of each meter."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from gridmill.compare.measured import GpuReading, NodeReading
from gridmill.compare.metered import MeterReading, meter_findings, metered_w, near_the_limit, silent
from gridmill.features.meters.plan import MetersPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import load_definition
from gridmill.plan import plan_site

PDU_A, PDU_B, MAIN = "the PDU of feed A in pod-a/r1", "the PDU of feed B in pod-a/r1", "the connection"


def reading(*watts: float) -> MeterReading:
    """Three phases."""
    return MeterReading(sum(watts), watts, tuple(one / 219 for one in watts))


GOOD = {
    "main": reading(2100.0, 2100.0, 2100.0),
    "pdu-a": reading(840.0, 840.0, 840.0),
    "pdu-b": reading(840.0, 840.0, 840.0),
}


def test_what_the_plan_expects_of_each_meter(lab_plan: SitePlan) -> None:
    found = {
        meter.key: (meter.name, meter.nameplate_w, meter.allocated_w, meter.limit_w, meter.phase_limit_w)
        for meter in lab_plan.of(MetersPlan).meters
    }
    assert found == {
        # 22.4 and 21.6 kW x PUE 1.25; 3 x 63 A x 400 V / sqrt(3) x 0.95 x 0.8
        "main": (MAIN, 28_000, 27_000, 33_171, 11_057),
        "pdu-a": (PDU_A, 11_200, 10_800, 33_172, 11_057),
        "pdu-b": (PDU_B, 11_200, 10_800, 33_172, 11_057),
    }
    assert lab_plan.of(MetersPlan).meters[0].main and all(meter.simulated for meter in lab_plan.of(MetersPlan).meters)
    assert lab_plan.of(MetersPlan).feed_limits_w == {"A": 33_171, "B": 33_171}


def test_all_is_well(lab_plan: SitePlan) -> None:
    found = meter_findings(lab_plan, GOOD)
    assert (found.problems, found.notes) == ((), ())
    assert near_the_limit(lab_plan, GOOD) == []
    assert metered_w(lab_plan, GOOD, pod="pod-a", rack="r1") == 5040.0
    assert metered_w(lab_plan, GOOD, feed="A") == 2520.0


def test_a_meter_that_does_not_answer_is_named_and_nothing_is_summed_without_it(lab_plan: SitePlan) -> None:
    readings = GOOD | {"pdu-b": MeterReading(complaint="Timeout")}
    found = meter_findings(lab_plan, readings)
    assert (found.problems, found.notes) == ((), ((PDU_B, "its meter did not answer: Timeout"),))
    assert metered_w(lab_plan, readings, pod="pod-a", rack="r1") is None
    assert metered_w(lab_plan, readings, feed="A") == 2520.0
    assert silent(lab_plan, readings) == [f"the meter pdu-b ({PDU_B}) did not answer: Timeout"]


def test_a_phase_over_its_limit_though_the_sum_is_not(lab_plan: SitePlan) -> None:
    readings = GOOD | {"main": reading(11_057.6, 1000.0, 1000.0), "pdu-a": reading(8000.0, 1200.0, 1200.0)}
    assert meter_findings(lab_plan, readings).problems == (
        (MAIN, "phase L1 carries 11.058 kW, planned at most 11.057 kW"),
    )


def test_a_meter_over_its_limit(lab_plan: SitePlan) -> None:
    found = meter_findings(lab_plan, GOOD | {"main": reading(10_000.0, 12_000.0, 12_000.0)})
    assert (MAIN, "draws 34 kW, 0.829 kW over its limit, 33.171 kW") in found.problems
    assert [name for name, _ in found.notes] == ["the main meter"], "5 kW of PDUs explain no 34 kW"


def test_more_than_allocated_below_the_limit_is_a_note(lab_plan: SitePlan) -> None:
    readings = {"main": reading(9_600.0, 9_600.0, 9_600.0), "pdu-a": reading(7_700.0, 7_700.0, 7_700.0)}
    readings["pdu-b"] = reading(0.0, 0.0, 0.0)
    found = meter_findings(lab_plan, readings)
    assert found.problems == ()
    assert found.notes == (
        (MAIN, "draws 28.8 kW, allocated 27 kW"),
        (PDU_A, "draws 23.1 kW, allocated 10.8 kW: is another feed lost?"),
    )


def test_phases_that_do_not_add_up(lab_plan: SitePlan) -> None:
    turned = MeterReading(2_100.0, (2_100.0, 2_100.0, -2_100.0 + 50), (9.6, 9.6, 9.6))
    ((name, text),) = meter_findings(lab_plan, {"main": replace(turned, power_w=1_800.0)}).problems
    assert name == MAIN
    assert text.startswith("tells 1.8 kW, and 2.15 kW for its phases together: is a current transformer")


def test_pdus_that_draw_more_than_the_main_meter(lab_plan: SitePlan) -> None:
    readings = GOOD | {"main": reading(700.0, 700.0, 700.0)}
    ((name, text),) = meter_findings(lab_plan, readings).problems
    assert name == "the main meter" and text.startswith("tells 2.1 kW, the PDUs 5.04 kW together")
    within = GOOD | {"main": reading(1600.0, 1600.0, 1600.0)}  # 4.8 kW: 5 % less, as meters are
    assert meter_findings(lab_plan, within).problems == ()


def test_power_that_the_planned_pue_does_not_explain_is_a_note(lab_plan: SitePlan) -> None:
    readings = GOOD | {"main": reading(2600.0, 2600.0, 2600.0)}
    assert meter_findings(lab_plan, readings).notes == (
        ("the main meter", "tells 7.8 kW, 1.55 times the PDUs, planned PUE 1.25"),
    )


def machines(watts: float) -> dict[str, NodeReading]:
    names = ("pod-a-r1-u01", "pod-a-r1-u09", "pod-a-r1-u38", "pod-a-r1-u40")
    return {name: NodeReading(node_w=watts) for name in names}


def test_machines_beside_their_pdus(lab_plan: SitePlan) -> None:
    assert meter_findings(lab_plan, GOOD, machines(1_250.0)).problems == ()
    assert meter_findings(lab_plan, GOOD, machines(1_600.0)).problems == (
        ("pod-a/r1", "its machines tell 6.4 kW, its PDUs 5.04 kW: one of them is wrong, or a cord hangs elsewhere"),
    )
    assert meter_findings(lab_plan, GOOD, machines(1_000.0)).problems == (
        ("pod-a/r1", "its PDUs tell 5.04 kW, its machines 4 kW: something else hangs on them"),
    )


def test_gpus_alone_can_only_be_too_much(lab_plan: SitePlan) -> None:
    def gpus(watts: float) -> dict[str, NodeReading]:
        return {"pod-a-r1-u01": NodeReading((GpuReading(0, draw_w=watts),))}

    assert meter_findings(lab_plan, GOOD, gpus(640.0)).problems == ()
    ((name, text),) = meter_findings(lab_plan, GOOD, gpus(5_600.0)).problems
    assert name == "pod-a/r1" and text.startswith("its GPUs alone tell 5.6 kW, its PDUs 5.04 kW")


def test_a_feed_without_a_meter_is_compared_with_its_pdus(lab_plan: SitePlan) -> None:
    meters = replace(lab_plan.of(MetersPlan), feed_limits_w={"A": 2_500, "B": 33_171})
    found = meter_findings(lab_plan.with_plan("meters", meters), GOOD)
    assert found.problems == (("feed A", "its PDUs draw 2.52 kW, 0.02 kW over its limit, 2.5 kW"),)


def test_the_status_warns_above_what_is_allocated_and_near_the_limit(lab_plan: SitePlan) -> None:
    def warned(watts: float) -> list[str]:
        return near_the_limit(lab_plan, {"main": reading(watts)})

    assert warned(27_000.0) == []
    assert warned(27_001.0) == ["the main meter tells 27.001 kW (simulated), allocated 27 kW"]
    assert warned(31_600.0)[1] == "the main meter tells 31.6 kW (simulated), 1.571 kW left of 33.171 kW"
    assert warned(34_000.0)[1] == "the main meter tells 34 kW (simulated), over 33.171 kW"


def test_a_feed_with_a_meter_of_its_own_and_a_pdu_of_one_phase(root: Path, tmp_path: Path) -> None:
    text = (root / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    shutil.copytree(root / "inventories" / "lab", tmp_path / "inventories" / "lab")
    text = text.replace("{measures: pod-a/r1/A, sku: sim-pdu-meter", "{measures: A, sku: sim-main-meter")
    path = tmp_path / "Pulumi.lab.yaml"
    text = text.replace("plan: n-1 ", "plan: n ").replace("B: pdu-3x63a", "B: pdu-1x32a")
    path.write_text(text.replace("650 W", "300 W").replace("at: [r1/u1, r1/u9]", "at: [r1/u1]"), encoding="utf-8")
    plan = plan_site(load_definition(path))
    _, feed, pdu = plan.of(MetersPlan).meters
    assert (feed.name, feed.nameplate_w, feed.allocated_w, feed.limit_w, feed.phase_limit_w) == (
        "feed A",
        6_100,
        4_500,
        33_171,
        11_057,
    )
    assert (pdu.limit_w, pdu.phase_limit_w, len(pdu.read.phase_power)) == (5_616, 5_616, 1)
