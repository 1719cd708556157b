"""What was changed by hand: named by `gridmill drift`, shown by a preview, put back by an update, on no other machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.site_copy import NAME, Done, SiteCopy

pytestmark = [pytest.mark.lab, pytest.mark.engine]

GPU_1, CONTROLLER = NODES["gpu1"][0], NODES["controller"][0]
FILE = "/etc/ssh/sshd_config.d/10-gridmill.conf"
CHECKED = "    changes: {drift: check, preview: {machines: false}}\n"


@pytest.fixture
def checked(site: SiteCopy) -> Iterator[SiteCopy]:
    """The site, whose stack wants drift to be a change."""
    site.edit("    scheduler:\n", f"{CHECKED}    scheduler:\n")
    yield site
    site.edit(CHECKED, "")


def drift(site: SiteCopy) -> tuple[int, dict[str, set[str]]]:
    """Exit status, and by machine what differs."""
    done = site.run(".venv/bin/python", "-m", "gridmill.operations.cli", "drift", NAME, "--json", check=False)
    hosts: list[dict[str, Any]] = json.loads(done.stdout)["hosts"]
    return done.status, {
        host["name"]: {f"{one['kind']} {one['name']}" for one in host["differences"]}
        for host in hosts if host["differences"]
    }  # fmt: skip


def pulumi(site: SiteCopy, *arguments: str) -> Done:
    """As the stack says, which has the drift check run, and no check mode."""
    return site.run("env", "GRIDMILL_PREVIEW=", "pulumi", *arguments, "--stack", NAME, "--non-interactive")


def test_what_was_changed_by_hand_is_named_shown_and_put_back(checked: SiteCopy, controller: Host, gpu1: Host) -> None:
    site = checked
    pulumi(site, "preview", "--expect-no-changes")
    gpu1.check_output(f"echo '# by hand' >> {FILE} && systemctl stop chrony && apt-mark unhold nvidia-smi")
    controller.check_output("scontrol update PartitionName=gpu State=DOWN")
    spoilt = {f"file {FILE}", "unit ssh", "unit chrony", "package nvidia-smi"}
    found = drift(site)
    controller.check_output("scontrol update PartitionName=gpu State=UP")
    assert found == (1, {GPU_1: spoilt, CONTROLLER: {"slurm loaded configuration"}})
    done = pulumi(site, "up", "--yes")
    for told in (f"{GPU_1}  pod-a: file {FILE}: other content", f"{GPU_1}  pod-a: unit chrony: is not running"):
        assert told in done.text, done.text
    assert re.search("~ 1 updated", done.text), done.text
    report = json.loads((site.state / "sites" / NAME / "reports" / "pod-a-apply.json").read_text(encoding="utf-8"))
    assert list(report["hosts"]) == [GPU_1]
    pulumi(site, "preview", "--expect-no-changes")
