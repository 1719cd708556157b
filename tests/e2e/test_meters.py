"""Meters of the virtual site: a controller asks them, and what they tell follows the simulated GPUs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from testinfra.host import Host

from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.trial]

COMMAND = (".venv/bin/python", "-m", "gridmill.operations.cli")
LOAD = "/run/gridmill-lab/gpus.load"
FRESH_S = 2.5
"""Seconds after which a simulated meter looks again."""


def metered(site: SiteCopy, *more: str) -> dict[str, Any]:
    done = site.run(*COMMAND, "power", "e2e", "--measured", "--json", *more, check=False)
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def test_the_page_shows_the_main_meter_and_the_pdus(site: SiteCopy) -> None:
    data = metered(site, "--html", "power.html")
    meters = data["meters"]
    assert {key: meter["complaint"] for key, meter in meters.items()} == dict.fromkeys(("main", "pdu-a", "pdu-b"), "")
    pdus = meters["pdu-a"]["power_w"] + meters["pdu-b"]["power_w"]
    assert 4_000 < pdus < 7_000, "two idle machines of 2 kW, a controller and a storage server"
    assert meters["main"]["power_w"] == pytest.approx(1.25 * pdus, rel=0.02), "times the PUE"
    assert data["meter_findings"] == {"problems": [], "notes": []}
    page = (site.directory / "power.html").read_text(encoding="utf-8")
    assert "measured at the meter" in page and "PDU pod-a/r1/A" in page and "did not answer" not in page
    told = f"{round(meters['main']['power_w']) / 1000:g} kW"
    assert f'{told} <span class="sim">simulated</span>' in page


def test_a_meter_follows_the_gpus_and_the_status_tells_it(site: SiteCopy, gpu1: Host) -> None:
    before = metered(site)["meters"]
    lines = "".join(f"gpu.{index}.utilization_percent = 100\\n" for index in range(8))
    gpu1.check_output(f"printf '{lines}' > {LOAD}.new && mv {LOAD}.new {LOAD}")
    try:
        time.sleep(FRESH_S)
        status = json.loads(site.run(*COMMAND, "status", "e2e", "--json", check=False).stdout)
    finally:
        gpu1.check_output(f"rm {LOAD}")
    rise = status["meters"]["measured_w"]["main"] - before["main"]["power_w"]
    # 8 GPUs from some 90 to 650 W, and what fans, processors and losses rise to along with them; times 1.25
    assert 5_500 < rise < 9_800
    assert status["meters"]["warnings"] == []
