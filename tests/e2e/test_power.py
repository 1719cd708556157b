"""Power limits of the plan on the virtual site: set before jobs run, mended when changed, gone with the plan."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from tests.e2e.site_copy import SiteCopy

pytestmark = [pytest.mark.trial]

CAP_W = 650
DEFAULT_W = 700
CAPS = f"caps: {{gpu: {CAP_W} W}}"
LIMITS = "nvidia-smi --query-gpu=power.limit --format=csv,noheader,nounits"


def limits(gpu1: Host) -> set[float]:
    return {float(line) for line in gpu1.check_output(LIMITS).splitlines()}


def test_a_cap_that_does_not_survive_a_feed_is_refused_with_the_one_that_does(site: SiteCopy) -> None:
    site.edit(CAPS, "caps: {gpu: 690 W}")
    done = site.pulumi("preview", check=False)
    site.edit("caps: {gpu: 690 W}", CAPS)
    assert done.status != 0
    assert "needs 10.12 kW with feed A lost; limit: 9.9 kW, the power supplies of gpu (sim-dgx-h100)" in done.text
    assert "a cap of 662 W per GPU" in done.text


def test_the_limit_is_set_before_slurmd_and_verified(site: SiteCopy, gpu1: Host) -> None:
    assert limits(gpu1) == {CAP_W}
    assert "gridmill-gpu-power.service" in gpu1.check_output("systemctl show --property=Requires slurmd")
    report = json.loads((site.state / "sites" / "e2e" / "reports" / "pod-a-apply.json").read_text())
    checks = report["hosts"]["pod-a-r1-u01"]["checks"]
    assert {"gpu_power_limit"} <= {check["check"] for check in checks}


def test_a_limit_changed_by_hand_is_predicted_and_mended(site: SiteCopy, gpu1: Host) -> None:
    gpu1.check_output("nvidia-smi --id=3 --power-limit=450")
    command = (".venv/bin/python", "-m", "gridmill.operations.cli")
    status = json.loads(site.run(*command, "status", "e2e", "--json", check=False).stdout)
    problems = {node["name"]: node["problems"] for node in status["nodes"] if node["problems"]}
    assert problems == {"pod-a-r1-u01": [f"GPU 3: power limit 450 W, planned {CAP_W} W"]}
    done = site.run(*command, "power", "e2e", "--measured", "--html", "power.html", check=False)
    assert done.status == 1
    page = (site.directory / "power.html").read_text(encoding="utf-8")
    assert f'1 x 450 W, 7 x {CAP_W} W <span class="sim">simulated</span>' in page
    predicted = site.converge("pod-a", "check")
    assert site.converge("pod-a", "apply") == predicted
    assert any("power limit" in text for text in map(str, predicted["pod-a-r1-u01"]))
    assert limits(gpu1) == {CAP_W}


def test_without_a_cap_in_the_plan_the_default_comes_back(site: SiteCopy, gpu1: Host) -> None:
    site.edit(CAPS, "caps: none")
    site.edit("plan: n-1 ", "plan: n ")
    site.pulumi("up", "--yes")
    assert limits(gpu1) == {DEFAULT_W}
    assert not gpu1.file("/etc/systemd/system/gridmill-gpu-power.service").exists
    assert gpu1.service("slurmd").is_running


def test_a_cap_comes_back_on_machines_in_service(site: SiteCopy, gpu1: Host) -> None:
    site.edit("plan: n ", "plan: n-1 ")
    site.edit("caps: none", CAPS)
    site.pulumi("up", "--yes")
    assert limits(gpu1) == {CAP_W}
