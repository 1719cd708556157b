"""The boot line, the reboot that is due for it, and what verify makes of both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.system import reboot
from ansible_collections.gridmill.site.plugins.module_utils.system.boot_line import difference, drop_in, parameters_of
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from tests.playbooks.test_module_runs import Machine, load, run_module


def test_the_drop_in_says_what_it_holds() -> None:
    assert parameters_of(drop_in(["iommu=pt", "init_on_alloc=0"])) == ["iommu=pt", "init_on_alloc=0"]
    assert parameters_of(drop_in([])) == [] and parameters_of("GRUB_TIMEOUT=5\n") == []


@pytest.mark.parametrize(
    ("wanted", "former", "told"),
    [
        (["iommu=pt"], [], "+iommu=pt"),
        (["quiet"], [], ""),
        ([], ["quiet"], "-quiet"),
        ([], ["iommu=pt"], ""),
        (["iommu=pt"], ["iommu=pt", "ro"], "+iommu=pt -ro"),
    ],
)
def test_only_what_the_plan_has_or_had_makes_a_reboot_due(wanted: list[str], former: list[str], told: str) -> None:
    assert difference(wanted, former, "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n") == told


@pytest.fixture
def boot(tmp_path: Path) -> Any:
    """The module on a machine with GRUB, started without parameters of ours."""
    module = load("kernel_parameters")
    module.DROP_IN, module.MENU = tmp_path / "grub.d" / "90-gridmill.cfg", tmp_path / "grub.cfg"
    module.UPDATE, module.RUNNING = tmp_path / "update-grub", tmp_path / "cmdline"
    module.UPDATE.touch()
    module.RUNNING.write_text("ro quiet\n")
    (tmp_path / "boot_id").write_text("first\n")
    places = {"marker": tmp_path / "reboot-needed", "boot_id": tmp_path / "boot_id"}
    module.reasons = lambda: reboot.reasons(**places)
    module.note = lambda what, reason: reboot.note(what, reason, **places)
    module.check = lambda: reboot.check({}, Machine(), distribution=tmp_path / "none", **places)

    def update(argv: list[str], timeout: float) -> Result:
        assert argv == [str(module.UPDATE)] and timeout >= 60
        module.MENU.write_text("menu")
        return Result(0, "")

    module.run = update
    return module


def parameters(*wanted: str) -> dict[str, Any]:
    return {"parameters": list(wanted)}


def test_parameters_are_set_once_and_a_reboot_is_due_until_it_happens(boot: Any, tmp_path: Path) -> None:
    assert run_module(boot, parameters("iommu=pt"), check_mode=True)["changed"] is True and not boot.DROP_IN.exists()
    assert run_module(boot, parameters("iommu=pt"))["reboot"] == "boot line +iommu=pt"
    assert "iommu=pt" in boot.DROP_IN.read_text() and boot.MENU.exists()
    again = run_module(boot, parameters("iommu=pt"))
    assert again["changed"] is False and again["reboot"] == "boot line +iommu=pt"
    assert boot.check()["found"] == "reboot needed: boot line +iommu=pt" and boot.check()["ok"] is True
    boot.RUNNING.write_text("ro quiet iommu=pt\n")
    (tmp_path / "boot_id").write_text("second\n")
    assert boot.check()["found"] == "none due"
    assert run_module(boot, parameters("iommu=pt"))["changed"] is False


def test_what_is_taken_off_the_line_stays_due(boot: Any) -> None:
    run_module(boot, parameters("iommu=pt", "quiet"))
    assert run_module(boot, parameters("iommu=pt"))["reboot"] == "boot line +iommu=pt -quiet"
    again = run_module(boot, parameters("iommu=pt"))
    assert again["changed"] is False and again["reboot"] == "boot line +iommu=pt -quiet"
    assert run_module(boot, parameters())["reboot"] == "boot line -quiet"
    assert run_module(boot, parameters())["changed"] is False


def test_an_update_that_was_cut_short_is_made_up_for(boot: Any) -> None:
    good = boot.run
    boot.run = lambda *_, **__: Result(1, "", "no space left")
    assert "no space left" in run_module(boot, parameters("iommu=pt"))["msg"]
    boot.run = good
    assert run_module(boot, parameters("iommu=pt"), check_mode=True)["changed"] is True
    assert run_module(boot, parameters("iommu=pt"))["changed"] is True
    assert run_module(boot, parameters("iommu=pt"))["changed"] is False


def test_a_machine_without_grub_is_told_of_only_when_something_is_planned(boot: Any) -> None:
    boot.UPDATE.unlink()
    assert run_module(boot, parameters())["changed"] is False
    assert "kernel parameters are set by GRUB only" in run_module(boot, parameters("iommu=pt"))["msg"]


def test_reasons_of_others_are_kept_and_an_unreadable_note_is_none(tmp_path: Path) -> None:
    places = {"marker": tmp_path / "state" / "reboot-needed", "boot_id": tmp_path / "boot_id"}
    places["boot_id"].write_text("first\n")
    reboot.note("driver", "driver 550", **places)
    reboot.note("boot line", "boot line +x", **places)
    reboot.note("boot line", "", **places)
    assert reboot.reasons(**places) == {"driver": "driver 550"}
    reboot.note("driver", "", **places)
    assert not places["marker"].exists()
    places["marker"].write_text("[]")
    assert reboot.reasons(**places) == {}


def test_packages_of_the_distribution_count(tmp_path: Path) -> None:
    for name in ("boot_id", "reboot-required"):
        (tmp_path / name).touch()
    found = reboot.check({}, Machine(), tmp_path / "none", tmp_path / "boot_id", tmp_path / "reboot-required")
    assert found["ok"] is True and found["found"] == "reboot needed: packages of the distribution"
