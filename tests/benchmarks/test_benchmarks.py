"""What benchmarks measure is what they say: sites of the right size, figures that add up, targets that can be missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.measure import Row, run, table
from benchmarks.node import rows
from benchmarks.sites import write_site
from gridmill.load import load_definition
from gridmill.plan import plan_site


@pytest.mark.parametrize("nodes", [20, 500, 1100])
def test_a_site_has_as_many_machines_as_it_says(nodes: int, tmp_path: Path) -> None:
    plan = plan_site(load_definition(write_site(tmp_path, nodes)))
    assert len(plan.hosts) == len({host.address for host in plan.hosts}) == nodes
    assert len(plan.with_service("controller")) == 1
    assert {host.kind for host in plan.hosts} == {"gpu", "storage", "management"}


def test_the_parts_of_a_run_add_up() -> None:
    tasks = {"base : Write /etc/hosts": 3.0, "nvidia : Install packages": 20.0, "clock : Install packages": 7.0}
    found = {row.figure: row.value for row in rows("n1", {"tasks": tasks, "seconds": 34.0}, up=90.0, boot=8.0)}
    assert found["bare machine to idle node"] == 34.0
    assert (found["- packages"], found["- other tasks"], found["- start of Ansible, ledger"]) == (27.0, 3.0, 4.0)
    assert found["  base : Write /etc/hosts"] == 3.0


def test_a_target_can_be_missed() -> None:
    missed, met = Row("a", "b", 3.01, "s", 3.0), Row("a", "b", 3.0, "s", 3.0)
    assert (missed.met, met.met) == (False, True)
    assert "MISSED" in table([missed]) and "MISSED" not in table([met])


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3: .*why"):
        run(["sh", "-c", "echo why >&2; exit 3"])
    assert run(["sh", "-c", "echo yes"]).output == "yes\n"
