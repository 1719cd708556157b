"""Asking machines for their power: the script on a machine of stand-ins, its answers, silence, and what people see."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gridmill.compare.measured import GpuReading, NodeReading
from gridmill.kernel.site_plan import HostPlan, SitePlan
from gridmill.operations import cli
from gridmill.operations.commands import power as power_cli
from gridmill.operations.errors import OperationError
from gridmill.operations.inspect.measured import SCRIPT, measure, measured_data, parse
from gridmill.operations.inspect.status import AWAY, NodeStatus
from gridmill.operations.inspect.status_power import to_be_asked, with_power

ROW = "{}, 80.25, 650.00, 200.00, 700.00, 700.00"
ANSWER = "".join(f"gpu={ROW.format(index)}\n" for index in range(8))


def program(directory: Path, name: str, text: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (directory / name).chmod(0o755)


def test_the_script_asks_the_driver_and_no_sensor_of_the_machine_underneath(tmp_path: Path) -> None:
    program(tmp_path, "nvidia-smi", f'echo "$*" >> {tmp_path}/asked; echo "{ROW.format(0)}"')
    program(tmp_path, "systemd-detect-virt", "exit 0")
    done = subprocess.run(
        ["sh", "-s"],
        input=SCRIPT,
        text=True,
        capture_output=True,
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert parse(done.stdout) == NodeReading((GpuReading(0, 80.25, 650.0, 200.0, 700.0, 700.0),))
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert asked.startswith("--query-gpu=") and "power-limit" not in asked, "it reads only"


def test_answers() -> None:
    assert parse("") == NodeReading()
    assert parse("gpu=0, [N/A], 650.00, 200.00, 700.00, [Not Supported]").gpus == (
        GpuReading(0, None, 650.0, 200.0, 700.0, None),
    )
    assert parse("acpi_uw=612000000\ndcmi_w=640\n") == NodeReading((), 640.0, "BMC (DCMI)")
    assert parse("acpi_uw=612000000\n") == NodeReading((), 612.0, "ACPI power meter")
    first, second = "rapl=intel-rapl:0 1000000000 {} 999\n", "rapl=intel-rapl:0 2000000000 {} 999\n"
    assert parse(first.format(100) + second.format(600)).cpu_w == pytest.approx(500e-6)
    assert parse(first.format(900) + second.format(100)).cpu_w == pytest.approx(200e-6), "the counter starts anew"
    assert parse(first.format(100)).cpu_w is None


@pytest.mark.parametrize("text", ["gpu=x, 1", "gpu=0, 1, 2", "gpu=Unable to determine the device handle", "dcmi_w=a"])
def test_an_answer_that_nobody_understands(text: str) -> None:
    with pytest.raises(OperationError, match="unexpected output"):
        parse(text)


def answering(plan: SitePlan) -> Callable[[HostPlan], str]:
    """Machines with GPUs answer, others do not."""

    def ask(host: HostPlan) -> str:
        if host.gpu is None:
            raise OperationError(f"{host.name}: power: <b>no route</b>")
        return ANSWER

    return ask


def test_silence_is_told_and_stops_nobody(lab_plan: SitePlan) -> None:
    found = measure(lab_plan, lab_plan.hosts, answering(lab_plan))
    assert {name: reading.complaint for name, reading in found.items()} == {
        "pod-a-r1-u01": "",
        "pod-a-r1-u09": "",
        "pod-a-r1-u38": "<b>no route</b>",
        "pod-a-r1-u40": "<b>no route</b>",
    }
    data = measured_data(lab_plan, found)["pod-a-r1-u01"]
    assert (data["simulated"], data["allocated_w"], data["gpus_w"], data["problems"]) == (True, 9_800, 642.0, ())


def test_machines_in_maintenance_are_left_alone(lab_plan: SitePlan) -> None:
    away = [replace(host, maintenance="fan") for host in lab_plan.hosts]
    assert measure(lab_plan, away, answering(lab_plan)) == {}


def test_nobody_new_is_asked_when_the_time_is_over(lab_plan: SitePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridmill.operations.inspect.measured.LIMIT_S", -1)
    found = measure(lab_plan, lab_plan.hosts, answering(lab_plan))
    assert all("not asked" in reading.complaint for reading in found.values())


def drifted(lab_plan: SitePlan) -> dict[str, NodeReading]:
    found = measure(lab_plan, lab_plan.hosts, answering(lab_plan))
    gpus = found["pod-a-r1-u01"].gpus
    found["pod-a-r1-u01"] = NodeReading((replace(gpus[0], limit_w=450.0), *gpus[1:]))
    return found


def test_status_names_what_drifted(lab_plan: SitePlan) -> None:
    one = NodeStatus("", "pod-a", True, True, True, "", (), 8, 8, "idle", "", "", "", ())
    nodes = [replace(one, name=host.name) for host in lab_plan.hosts]
    readings = drifted(lab_plan)
    readings["pod-a-r1-u09"] = NodeReading(complaint="no route")
    first, second, third, _ = with_power(lab_plan, nodes, {name: readings[name] for name in list(readings)[:2]})
    assert (first.problems, first.working) == (("GPU 0: power limit 450 W, planned 650 W",), False)
    assert second.problems == ("its power could not be asked: no route",)
    assert third == nodes[2]
    down = [replace(node, found=node.name != "pod-a-r1-u09", slurm=min(AWAY)) for node in nodes]
    assert [host.name for host in to_be_asked(lab_plan, down)] == ["pod-a-r1-u01"]


def test_page_table_and_json(
    lab_plan: SitePlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(power_cli, "measure", lambda plan, hosts: drifted(plan))
    monkeypatch.setattr(power_cli, "measure_meters", lambda plan: {})
    monkeypatch.setattr(power_cli, "require_files", lambda plan: None)
    page = tmp_path / "page.html"
    assert cli.main(["power", "lab", "--measured", "--html", str(page)]) == 1
    table = capsys.readouterr().out
    assert "pod-a-r1-u01 (simulated)  9.8 kW     -        0.642 kW  450 W, 650 W" in table
    assert "did not answer: <b>no route</b>" in table
    text = page.read_text(encoding="utf-8")
    assert "GPU 0: power limit 450 W, planned 650 W" in text
    assert "did not answer: &lt;b&gt;no route&lt;/b&gt;" in text and "<b>no route" not in text
    assert "GPUs 1.284 kW" in text and "without 2 of 4" in text
    numbers = re.findall(r"(?:1\.284|0\.642) kW(.{80})", text, re.DOTALL)
    assert len(numbers) == 5 and all('class="sim"' in after for after in numbers), "measured in the lab, and says so"
    assert "<svg" in text and "<script" not in text
    assert set(re.findall(r"https?://[^\"' ]*", text)) == {"http://www.w3.org/2000/svg"}, "it fetches nothing"
    assert cli.main(["power", "lab", "--measured", "--json"]) == 1
    data = json.loads(capsys.readouterr().out)
    assert data["measured"]["pod-a-r1-u01"]["problems"] == ["GPU 0: power limit 450 W, planned 650 W"]
    assert data["measured"]["pod-a-r1-u38"]["complaint"] == "<b>no route</b>"


def test_without_being_told_no_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_cli, "measure", lambda plan, hosts: pytest.fail("asked"))
    monkeypatch.setattr(power_cli, "measure_meters", lambda plan: pytest.fail("asked"))
    page = tmp_path / "page.html"
    for site in ("lab", "ems1"):
        assert cli.main(["power", site, "--html", str(page)]) == 0
        assert "Not measured: no machine was asked" in page.read_text(encoding="utf-8")
    assert 'class="sim"' not in page.read_text(encoding="utf-8"), "ems1 is not a virtual site"
