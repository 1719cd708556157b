"""Faults while `pulumi up` works: what was hit is named, the others finish, the same command completes it.

Not part of `make test`: see `make soak`.
"""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from testinfra.host import Host

from tests.e2e.conftest import NODES
from tests.e2e.faults import POD_WORKS, Run, again, change, hit, key_comment, none_stays, throttled, unplugged
from tests.e2e.site_copy import NAME, SiteCopy

pytestmark = [pytest.mark.soak]

GPU_1, GPU_2, STORE, CONTROLLER = (NODES[role][0] for role in ("gpu1", "gpu2", "store", "controller"))
GRIDMILL = (".venv/bin/python", "-m", "gridmill.operations.cli")
SLOW_KBIT = 256
ALL = (CONTROLLER, STORE, GPU_1, GPU_2)


def is_everywhere(site: SiteCopy, mark: str) -> None:
    """Every machine has the change, and nothing is left to be done on any."""
    assert {node: key_comment(site, node) for node in ALL} == dict.fromkeys(ALL, mark)
    for phase in site.phases():
        assert not any(site.converge(phase, "check").values()), phase


def test_power_of_one_node_fails_in_the_middle(site: SiteCopy) -> None:
    mark = change(site)
    run = Run(site)
    run.until(POD_WORKS)
    with unplugged(site, GPU_2, power=True):
        done = run.end()
        assert done.status != 0
        assert re.search(rf"{GPU_2}.*(unreachable|connect)", done.text, re.IGNORECASE), done.text[-3000:]
        assert not re.search(rf"{GPU_1}: (check|connect)|{STORE}: (check|connect)", done.text), done.text[-3000:]
        assert {node: key_comment(site, node) for node in (CONTROLLER, STORE, GPU_1)} == dict.fromkeys(
            (CONTROLLER, STORE, GPU_1), mark
        )
        status = json.loads(site.run(*GRIDMILL, "status", NAME, "--json", check=False).stdout)
        assert {node["name"] for node in status["nodes"] if node["problems"]} == {GPU_2}
    assert again(site).status == 0
    is_everywhere(site, mark)


def test_a_cable_that_is_out_for_a_while(site: SiteCopy) -> None:
    mark = change(site)
    run = Run(site)
    run.until(POD_WORKS)
    with unplugged(site, STORE, power=False):
        time.sleep(8)
    done = run.end()
    assert done.status == 0 or STORE in done.text, done.text[-3000:]
    assert again(site).status == 0
    is_everywhere(site, mark)


def test_a_line_that_is_slow_and_loses_packets(site: SiteCopy) -> None:
    mark = change(site)
    with throttled(site, GPU_2, SLOW_KBIT) as line:
        done = again(site)
    assert done.status == 0, done.text[-3000:]
    assert done.text.index(f"{GPU_1} done") < done.text.index(f"{GPU_2} done"), "it held nobody up"
    assert line.lost > 0, "the line lost nothing: it was no trial"
    is_everywhere(site, mark)


def test_a_controller_that_is_away(site: SiteCopy, controller: Host) -> None:
    change(site)
    with unplugged(site, CONTROLLER, power=True):
        started = time.monotonic()
        done = site.pulumi("up", "--yes", check=False)
        assert done.status != 0
        assert CONTROLLER in done.text
        assert "Traceback" not in done.text
        assert time.monotonic() - started < 120
    assert again(site).status == 0
    assert set(controller.check_output("sinfo -hNo '%t'").split()) == {"idle"}


def test_slurm_is_down_on_the_controller(site: SiteCopy, controller: Host) -> None:
    controller.check_output("systemctl stop slurmctld slurmdbd")
    mark = change(site)
    assert again(site).status == 0
    assert controller.service("slurmctld").is_running
    is_everywhere(site, mark)


def test_machines_that_changed_places_are_refused(site: SiteCopy) -> None:
    """Each answers at the other's address, with the other's host key."""
    change(site)
    known = site.access / "known_hosts"
    right = known.read_text(encoding="utf-8")
    keys = {line.split()[0].split(",")[0]: line.split(None, 1)[1] for line in right.splitlines()}
    swapped = {GPU_1: keys[GPU_2], GPU_2: keys[GPU_1]}
    lines = [line.split(None, 1) for line in right.splitlines()]
    known.write_text(
        "".join(f"{names} {swapped.get(names.split(',')[0], key)}\n" for names, key in lines), encoding="utf-8"
    )
    try:
        done = site.pulumi("up", "--yes", check=False)
    finally:
        known.write_text(right, encoding="utf-8")
    assert done.status != 0
    assert all(re.search(rf"{node}.*[Hh]ost key", done.text) for node in (GPU_1, GPU_2)), done.text[-3000:]
    assert again(site).status == 0


def test_no_space_left_on_a_machine(site: SiteCopy) -> None:
    mark = change(site)
    full = "/etc/ssh"
    fill = f"sudo dd if=/dev/zero of={full}/fill bs=4k"
    site.on(STORE, f"sudo cp -a {full} /run/kept && sudo mount -t tmpfs -o size=1m,mode=755 tmpfs {full}")
    site.on(STORE, f"sudo cp -a /run/kept/. {full} && {fill} 2>&1 | grep 'No space left'")
    try:
        done = site.pulumi("up", "--yes", check=False)
    finally:
        site.on(STORE, f"sudo umount {full}")
    assert done.status != 0
    assert re.search(rf"{STORE}.*No space left", done.text), done.text[-3000:]
    assert again(site).status == 0
    is_everywhere(site, mark)


def test_no_space_left_here(site: SiteCopy) -> None:
    mark = change(site)
    full = site.state / "sites" / NAME / "logs"
    site.run("mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(full))
    (full / "fill").write_bytes(bytes(4096))
    try:
        done = site.pulumi("up", "--yes", check=False)
    finally:
        site.run("umount", str(full))
    assert done.status != 0
    assert "No space left" in done.text and "Traceback" not in done.text, done.text[-3000:]
    assert again(site).status == 0
    is_everywhere(site, mark)


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("runner", signal.SIGKILL),
        ("playbook", signal.SIGKILL),
        ("command plugin", signal.SIGKILL),
        ("program", signal.SIGKILL),
        ("engine", signal.SIGKILL),
        ("engine", signal.SIGINT),
        ("engine", signal.SIGTERM),
    ],
)
def test_a_process_that_is_ended(site: SiteCopy, what: str, number: signal.Signals) -> None:
    change(site)
    run = Run(site)
    run.until(POD_WORKS)
    assert hit(site, what, number), f"no {what} runs"
    done = run.end()
    assert "Traceback" not in done.text, done.text[-3000:]
    none_stays(site)
    done = again(site)
    assert done.status == 0, done.text[-3000:]
    site.pulumi("preview", "--expect-no-changes")


def test_interrupted_twice(site: SiteCopy) -> None:
    mark = change(site)
    run = Run(site)
    run.until(POD_WORKS)
    assert hit(site, "engine", signal.SIGINT)
    time.sleep(1)
    hit(site, "engine", signal.SIGINT)
    assert run.end(60).status != 0
    none_stays(site)
    assert again(site).status == 0
    is_everywhere(site, mark)
