"""Modules run as Ansible runs them, on a machine that answers as the test says."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result

from gridmill.operations.playbooks import SITE

MODULES = SITE / "plugins" / "modules"


class Ended(Exception):  # noqa: N818 - how a module ends, well or not
    """What a module handed back."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(str(answer))
        self.answer = answer


class FakeModule:
    """AnsibleModule without a process of its own."""

    def __init__(self, params: dict[str, Any], *, check_mode: bool = False) -> None:
        self.params = params
        self.check_mode = check_mode

    def exit_json(self, **answer: Any) -> None:
        raise Ended({"failed": False, **answer})

    def fail_json(self, **answer: Any) -> None:
        raise Ended({"failed": True, **answer})


class Machine:
    """Answers by the beginning of a command line; notes everything that was run."""

    def __init__(self, **answers: Result | Callable[[], Result]) -> None:
        self.answers = {key.replace("_", " "): value for key, value in answers.items()}
        self.ran: list[str] = []

    def __call__(self, argv: list[str], timeout: float = 0.0, text: str | None = None) -> Result:
        line = " ".join(argv)
        self.ran.append(line)
        for beginning, answer in self.answers.items():
            if line.startswith(beginning):
                return answer if isinstance(answer, Result) else answer()
        return Result(0, "")


def load(name: str, directory: Path = MODULES) -> Any:
    spec = importlib.util.spec_from_file_location(f"module_{name}", directory / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    assert isinstance(module, ModuleType)
    spec.loader.exec_module(module)
    return module


def run_module(module: Any, params: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    module.AnsibleModule = lambda **_: FakeModule(params, check_mode=check_mode)
    with pytest.raises(Ended) as ended:
        module.main()
    answer: dict[str, Any] = ended.value.answer
    return answer


@pytest.fixture
def packages(tmp_path: Path) -> Any:
    module = load("packages")
    module.POLICY, module.JOURNAL, module.LOCK = tmp_path / "policy", tmp_path / "updates", tmp_path / "lock"
    module.JOURNAL.mkdir()
    return module


WANTED = {"wanted": {"sudo": ""}, "start_services": False}
INSTALLED = "sudo\tinstalled\t1.9\n"


def test_our_policy_of_a_killed_run_goes_though_nothing_is_left_to_install(packages: Any) -> None:
    packages.run = Machine(**{"dpkg-query": Result(0, INSTALLED)})
    assert run_module(packages, WANTED)["changed"] is False
    packages.POLICY.write_text(packages.POLICY_TEXT)
    assert run_module(packages, WANTED, check_mode=True)["changed"] is True and packages.POLICY.exists()
    assert run_module(packages, WANTED)["changed"] is True and not packages.POLICY.exists()
    packages.POLICY.write_text("#!/bin/sh\nexit 101\n")
    assert run_module(packages, WANTED)["changed"] is False and packages.POLICY.exists(), "a foreign one stays"


def test_an_interrupted_installation_is_finished_with_services_down(packages: Any) -> None:
    half = f"{INSTALLED}slurmd\thalf-configured\t24.11\n"
    policies: list[bool] = []

    def finish() -> Result:
        policies.append(packages.POLICY.exists())
        return Result(0, "")

    packages.run = machine = Machine(**{"dpkg-query": Result(0, half)})
    machine.answers["dpkg --force-confdef"] = finish
    assert run_module(packages, WANTED, check_mode=True)["changed"] is True and not policies
    answer = run_module(packages, WANTED)
    assert answer["failed"] is False and answer["changed"] is True and answer["installed"] == []
    assert policies == [True] and not packages.POLICY.exists()


def test_a_journal_of_dpkg_is_an_interruption(packages: Any) -> None:
    packages.run = Machine(**{"dpkg-query": Result(0, INSTALLED)})
    assert not packages.halfway()
    (packages.JOURNAL / "0003").touch()
    assert packages.halfway()


def test_another_dpkg_is_waited_for_and_not_for_ever(packages: Any) -> None:
    locked = Result(2, "", "dpkg: error: dpkg frontend lock was locked by another process with pid 7\nNote: x")
    answers = [locked, locked, Result(0, "")]
    packages.run = Machine(dpkg=lambda: answers.pop(0))
    assert packages.finish(wait=60, sleep=lambda _: None).ok and not answers
    packages.run = Machine(dpkg=locked)
    assert not packages.finish(wait=0, sleep=lambda _: None).ok
    broken = Machine(dpkg=Result(1, "", "dpkg: error processing package x (--configure)"))
    packages.run = broken
    assert not packages.finish(wait=60, sleep=lambda _: None).ok and len(broken.ran) == 1


SHOWN = (
    "LoadState=loaded\nActiveState={state}\nNeedDaemonReload={reload}\n"
    "InactiveExitTimestamp=Thu 2026-01-01 00:00:00.000000 UTC\nInactiveExitTimestampMonotonic=1\n"
)


@pytest.fixture
def applied(tmp_path: Path) -> tuple[Any, Machine, dict[str, Any]]:
    module = load("systemd_unit")
    module.RUNTIME = tmp_path / "run"
    machine = Machine(systemctl_show=Result(0, SHOWN.format(state="active", reload="no")))
    module.run = machine
    for name in ("settings", "records"):
        (tmp_path / name).touch()
    files = {"restart": [str(tmp_path / "settings")], "reload": [str(tmp_path / "records")]}
    return module, machine, {"unit": "x", **files, "started": False, "pending_change": False}


def test_a_unit_is_restarted_once(applied: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = applied
    assert run_module(module, params, check_mode=True)["actions"] == ["restart"]
    assert not module.RUNTIME.exists() and len(machine.ran) == 1
    assert run_module(module, params)["actions"] == ["restart"] and machine.ran[-1] == "systemctl restart x"
    assert run_module(module, params)["changed"] is False
    Path(params["reload"][0]).write_text("changed")
    assert run_module(module, params)["actions"] == ["reload"] and machine.ran[-1] == "systemctl reload x"
    assert run_module(module, params)["changed"] is False


def test_two_tasks_about_one_unit_do_not_forget_each_others_files(
    applied: tuple[Any, Machine, dict[str, Any]],
) -> None:
    module, _, params = applied
    first, second = {**params, "reload": []}, {**params, "restart": []}
    assert [run_module(module, one)["changed"] for one in (first, second)] == [True, True]
    assert [run_module(module, one)["changed"] for one in (first, second)] == [False, False]


def test_what_failed_stays_open(applied: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = applied
    machine.answers["systemctl restart"] = Result(1, "", "Job for x.service failed.")
    assert "journalctl" in run_module(module, params)["msg"]
    del machine.answers["systemctl restart"]
    assert run_module(module, params)["actions"] == ["restart"]
    note = module.RUNTIME / "in-force" / "x.json"
    assert set(json.loads(note.read_text())) == {*params["restart"], *params["reload"]}
    note.write_text("half a not")
    assert run_module(module, params)["actions"] == ["restart"], "an unreadable note is none"


def test_a_unit_whose_file_is_back_is_read_again(applied: tuple[Any, Machine, dict[str, Any]]) -> None:
    """Its file was removed under it, systemd noticed, and a task before wrote it anew."""
    module, machine, params = applied

    def show() -> Result:
        state = "loaded" if "systemctl daemon-reload" in machine.ran else "not-found"
        return Result(0, SHOWN.replace("loaded", state).format(state="active", reload="no"))

    machine.answers["systemctl show"] = show
    assert run_module(module, {**params, "pending_change": True}, check_mode=True)["changed"] is True
    assert "systemctl daemon-reload" not in machine.ran
    assert run_module(module, params)["actions"] == ["restart"] and machine.ran[-1] == "systemctl restart x"


def test_units_are_read_again_and_a_stopped_one_is_left_alone(applied: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = applied
    machine.answers["systemctl show"] = Result(0, SHOWN.format(state="inactive", reload="yes"))
    assert run_module(module, params)["actions"] == ["daemon-reload"]
    machine.answers["systemctl show"] = Result(0, SHOWN.format(state="active", reload="yes"))
    assert run_module(module, params)["actions"] == ["daemon-reload", "restart"]
    machine.answers["systemctl show"] = Result(
        0, SHOWN.replace("loaded", "not-found").format(state="active", reload="no")
    )
    assert run_module(module, params, check_mode=True)["changed"] is False
    assert run_module(module, params)["failed"] is True


def test_check_mode_foresees_what_files_that_are_not_written_yet_will_mean(
    applied: tuple[Any, Machine, dict[str, Any]],
) -> None:
    module, machine, params = applied
    run_module(module, params)
    pending_change = {**params, "pending_change": True}
    assert run_module(module, pending_change, check_mode=True)["actions"] == ["restart"]
    assert run_module(module, {**pending_change, "restart": []}, check_mode=True)["actions"] == ["reload"]
    assert run_module(module, pending_change)["changed"] is False, "it is of no effect outside of check mode"
    machine.answers["systemctl show"] = Result(0, SHOWN.format(state="inactive", reload="no"))
    assert run_module(module, pending_change, check_mode=True)["changed"] is False


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (SHOWN.format(state="active", reload="no") + "UnitFileState=enabled\n", []),
        (SHOWN.format(state="active", reload="yes") + "UnitFileState=static\n", ["daemon-reload"]),
        (SHOWN.format(state="inactive", reload="no") + "UnitFileState=enabled\n", ["start"]),
        (SHOWN.format(state="failed", reload="no") + "UnitFileState=disabled\n", ["enable", "start"]),
        (SHOWN.format(state="active", reload="no") + "UnitFileState=disabled\n", ["enable"]),
    ],
)
def test_a_unit_that_must_run_is_enabled_and_started(
    shown: str, expected: list[str], applied: tuple[Any, Machine, dict[str, Any]]
) -> None:
    module, machine, params = applied
    machine.answers["systemctl show"] = Result(0, shown)
    params |= {"restart": [], "reload": [], "started": True}
    for check_mode in (True, False):
        answer = run_module(module, params, check_mode=check_mode)
        assert answer["actions"] == expected
        assert answer["changed"] is bool(set(expected) - {"daemon-reload"})
    ran = [line.split()[1] for line in machine.ran if "show" not in line]
    assert ran == expected


def test_a_unit_that_is_to_be_installed_will_be_started(applied: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = applied
    machine.answers["systemctl show"] = Result(
        0, SHOWN.replace("loaded", "not-found").format(state="inactive", reload="no")
    )
    assert run_module(module, {**params, "started": True}, check_mode=True)["actions"] == ["enable", "start"]
    assert run_module(module, {**params, "started": True})["failed"] is True


def test_a_controller_without_slurm_has_nothing_to_drain(tmp_path: Path) -> None:
    module = load("slurm_node_service")
    params = {"names": ["n1"], "state": "draining"}
    there = tmp_path / "there"
    there.touch()
    refusing = Result(1, "", "slurm_load_nodes error: Unable to contact slurm controller")
    for needed, answer, failed in (
        ((there, there), Result(MISSING, "", "scontrol is not installed"), False),
        ((there, tmp_path / "none"), refusing, False),
        ((there, there), refusing, True),
    ):
        module.NEEDED, module.run = needed, Machine(scontrol=answer)
        assert run_module(module, params)["failed"] is failed
    machine = Machine(scontrol=Result(0, "NodeName=n1 State=IDLE\n"))
    module.NEEDED, module.run = (there, there), machine
    assert run_module(module, params)["nodes"] == ["n1"]
    assert [line.split()[3] for line in machine.ran[1:]] == ["State=DRAIN", "State=DOWN"]


DRAINED = "NodeName=n1 State=IDLE+DRAIN Reason=fan, ticket 7 (maintenance, by Gridmill) [root@2026-11-22T02:00:00]\n"


def test_maintenance_drains_with_the_reason_and_kills_nothing() -> None:
    module = load("slurm_maintenance")
    machine = Machine(
        scontrol=Result(0, DRAINED + "NodeName=n2 State=MIXED\nNodeName=n3 State=DOWN+DRAIN Reason=dead\n")
    )
    module.run = machine
    params = {"drain": {"n1": "fan, ticket 7", "n2": "PSU 3", "n3": "fan", "n9": "not in Slurm"}, "resume": ""}
    assert run_module(module, params, check_mode=True)["nodes"] == ["n2", "n3"]
    assert len(machine.ran) == 1
    assert run_module(module, params)["nodes"] == ["n2", "n3"]
    assert machine.ran[2:] == [
        "scontrol update NodeName=n2 State=DRAIN Reason=PSU 3 (maintenance, by Gridmill)",
        "scontrol update NodeName=n3 State=DRAIN Reason=fan (maintenance, by Gridmill)",
    ]
    again = {"drain": {"n1": "fan, ticket 7"}, "resume": ""}
    assert run_module(module, again)["changed"] is False
    assert run_module(module, {"drain": {"n1": "fan, ticket"}, "resume": ""}, check_mode=True)["changed"] is True


def test_maintenance_of_a_site_that_is_yet_to_come_up() -> None:
    module = load("slurm_maintenance")
    module.run, module.PATIENCE_S = Machine(scontrol=Result(MISSING, "", "scontrol is not installed")), 0.0
    params = {"drain": {"n1": "fan"}, "resume": ""}
    assert run_module(module, params, check_mode=True)["nodes"] == ["n1"]
    assert run_module(module, params)["failed"] is True
    resume: dict[str, Any] = {"drain": {}, "resume": "n1"}
    assert run_module(module, resume, check_mode=True)["nodes"] == []
    assert run_module(module, resume)["failed"] is True


@pytest.mark.parametrize(
    ("state", "resumed"),
    [
        (DRAINED, True),
        (DRAINED.replace("IDLE+DRAIN", "DOWN+DRAIN+NOT_RESPONDING"), True),
        (DRAINED.replace("+DRAIN", ""), False),
        (DRAINED.replace(" (maintenance, by Gridmill)", ""), False),
        ("NodeName=n1 State=IDLE\n", False),
    ],
)
def test_only_our_own_maintenance_ends(state: str, resumed: bool) -> None:
    module = load("slurm_maintenance")
    machine = Machine(scontrol=Result(0, state))
    module.run = machine
    params: dict[str, Any] = {"drain": {}, "resume": "n1"}
    assert run_module(module, params, check_mode=True)["changed"] is resumed
    assert run_module(module, params)["changed"] is resumed
    assert [line for line in machine.ran if "update" in line] == (
        ["scontrol update NodeName=n1 State=UNDRAIN"] if resumed else []
    )
