"""Driver packages in one transaction, holds and preferences; and whether the kernel has loaded what is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks import nvidia as nvidia_checks
from ansible_collections.gridmill.site.plugins.module_utils.nvidia.loaded_driver import loaded_driver, marked
from ansible_collections.gridmill.site.plugins.module_utils.packages.apt import not_held
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from tests.playbooks.test_module_runs import Machine, load, run_module

OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.133.20  Release Build  (dvs-builder)  Sun Mar 30\n"
PROPRIETARY = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.163.01  Tue Apr  8 12:41:17 UTC 2025\nGCC version: 14\n"
)
MADISON = "nvidia-kernel-dkms | 570.133.20-1 | http://x trixie Packages\n"


class Apt(Machine):
    """dpkg and APT of a machine, with the packages, wants and preferences that they see."""

    def __init__(self, installed: dict[str, str], held: set[str], **answers: Result) -> None:
        super().__init__(**answers)
        self.installed, self.held = installed, held
        self.preferences: list[str] = []

    def __call__(self, argv: list[str], timeout: float = 0.0, text: str | None = None) -> Result:
        if argv[0] == "dpkg-query" and any("Status-Want" in one for one in argv):
            rows = [f"{name}\t{'hold' if name in self.held else 'install'}\n" for name in argv[3:]]
            return Result(0, "".join(row for row in rows if row.split("\t")[0] in self.installed))
        if argv[0] == "dpkg-query":
            names = argv[3:] or list(self.installed)
            rows = [f"{name}\tinstalled\t{self.installed[name]}\n" for name in names if name in self.installed]
            return Result(0, "".join(rows))
        for option in argv:
            if option.startswith("--option=Dir::Etc::PreferencesParts="):
                directory = Path(option.rsplit("=", 1)[1])
                self.preferences = sorted(f"{file.name}: {file.read_text()}" for file in directory.iterdir())
        return super().__call__(argv, timeout, text)


@pytest.fixture
def packages(tmp_path: Path) -> Any:
    module = load("packages")
    module.POLICY, module.JOURNAL, module.LOCK = tmp_path / "policy", tmp_path / "updates", tmp_path / "lock"
    module.PREFERENCES = tmp_path / "preferences.d"
    for directory in (module.JOURNAL, module.PREFERENCES):
        directory.mkdir()
    return module


def wanted(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    return {
        "wanted": {"nvidia-kernel-dkms": "570.133.20-*"},
        "absent": ["nvidia-open-kernel-dkms", "nvidia-driver-cuda"],
        "held": ["nvidia-kernel-dkms"],
        "preferences_file": str(tmp_path / "preferences.d" / "gridmill-nvidia"),
        "preferences": "Package: *nvidia*\nPin: version 570.133.20-*\nPin-Priority: 1001\n",
        "source": None,
        "start_services": False,
        **changes,
    }


def machine() -> Apt:
    return Apt(
        {"nvidia-open-kernel-dkms": "550.163.01-2"},
        set(),
        **{
            "apt-cache madison": Result(0, MADISON),
            "apt-get": Result(
                0, "Inst nvidia-kernel-dkms (570.133.20-1 x [amd64])\nRemv nvidia-open-kernel-dkms [1]\n"
            ),
        },
    )


def test_a_switch_is_one_transaction_under_the_new_preferences(packages: Any, tmp_path: Path) -> None:
    old = tmp_path / "preferences.d" / "gridmill-nvidia"
    old.write_text("Package: *nvidia*\nPin: version 550*\nPin-Priority: 1001\n")
    (tmp_path / "preferences.d" / "other").write_text("other")
    params = wanted(tmp_path)
    for check_mode in (True, False):
        packages.run = apt = machine()
        answer = run_module(packages, params, check_mode=check_mode)
        assert answer["changed"] is True and answer["held"] == ["nvidia-kernel-dkms"]
        assert (answer["installed"], answer["removed"]) == (
            ["nvidia-kernel-dkms=570.133.20-1"],
            ["nvidia-open-kernel-dkms"],
        )
        assert [text.split(":")[0] for text in apt.preferences] == ["gridmill-nvidia", "other"]
        assert "570.133.20" in apt.preferences[0], "what is simulated must be what will be done"
        assert answer["diff"]["prepared"].splitlines() == [
            "+nvidia-kernel-dkms 570.133.20-1",
            "-nvidia-open-kernel-dkms",
            f"~{old}",
            "+hold nvidia-kernel-dkms",
        ]
        installs = [line for line in apt.ran if line.endswith("nvidia-open-kernel-dkms-") and "--simulate" not in line]
        assert len(installs) == (0 if check_mode else 1)
        assert ("550*" in old.read_text()) is check_mode
        assert ("apt-mark hold nvidia-kernel-dkms" in apt.ran) is not check_mode


def test_what_apt_cannot_do_leaves_the_preferences_as_they_are(packages: Any, tmp_path: Path) -> None:
    packages.run = apt = machine()
    apt.answers["apt-get"] = Result(100, "", "E: Unable to correct problems")
    answer = run_module(packages, wanted(tmp_path))
    assert answer["failed"] is True and "Unable to correct problems" in answer["msg"]
    assert list((tmp_path / "preferences.d").iterdir()) == []


def test_when_all_is_as_wanted_nothing_is_asked_of_apt(packages: Any, tmp_path: Path) -> None:
    params = wanted(tmp_path)
    Path(params["preferences_file"]).write_text(params["preferences"])
    packages.run = apt = Apt({"nvidia-kernel-dkms": "570.133.20-1"}, {"nvidia-kernel-dkms"})
    answer = run_module(packages, params)
    assert answer["changed"] is False and not apt.ran


def test_a_hold_that_somebody_took_away_comes_back(packages: Any, tmp_path: Path) -> None:
    params = wanted(tmp_path)
    Path(params["preferences_file"]).write_text(params["preferences"])
    packages.run = apt = Apt({"nvidia-kernel-dkms": "570.133.20-1"}, set())
    assert run_module(packages, params, check_mode=True)["held"] == ["nvidia-kernel-dkms"] and not apt.ran
    assert run_module(packages, params)["changed"] is True and apt.ran == ["apt-mark hold nvidia-kernel-dkms"]


def test_a_source_that_is_not_there_yet_is_trusted_in_check_mode_only(packages: Any, tmp_path: Path) -> None:
    params = wanted(tmp_path, source=str(tmp_path / "mirror.sources"))
    packages.run = apt = Apt({}, set(), **{"apt-cache madison": Result(0, "")})
    answer = run_module(packages, params, check_mode=True)
    assert answer["changed"] is True and answer["installed"] == ["nvidia-kernel-dkms"] and not apt.ran
    assert run_module(packages, params)["failed"] is True
    (tmp_path / "mirror.sources").touch()
    assert "apt offers none" in run_module(packages, params, check_mode=True)["msg"]


def test_a_replacement_from_a_source_that_is_not_there_yet_is_told_as_one(packages: Any, tmp_path: Path) -> None:
    """By its words jobs are kept away from a driver that is being replaced."""
    installed = {"nvidia-kernel-dkms": "550.163.01-2", "nvidia-driver-cuda": "550.163.01-2"}
    packages.run = Apt(installed, set(), **{"apt-cache madison": Result(0, "")})
    params = wanted(tmp_path, source=str(tmp_path / "mirror.sources"))
    lines = run_module(packages, params, check_mode=True)["diff"]["prepared"].splitlines()
    assert lines[:2] == ["~nvidia-kernel-dkms 550.163.01-2 -> 570.133.20-*", "-nvidia-driver-cuda"]


def test_what_is_not_installed_is_not_held() -> None:
    answer = Result(0, "a\thold\nb\tinstall\n")
    assert not_held(["a", "b", "c"], lambda _: answer) == ["b", "c"]
    assert not_held([], lambda _: answer) == []


def test_the_loaded_driver_is_read_from_the_kernel() -> None:
    assert loaded_driver(OPEN) == ("570.133.20", "open")
    assert loaded_driver(PROPRIETARY) == ("550.163.01", "proprietary")
    assert loaded_driver("") is None


def test_the_marker_keeps_what_others_wrote() -> None:
    text = marked("kernel: parameters changed\n", "nvidia", "why")
    assert text == "kernel: parameters changed\nnvidia: why\n"
    assert marked(text, "nvidia", "why else") == "kernel: parameters changed\nnvidia: why else\n"
    assert marked(text, "nvidia", "") == "kernel: parameters changed\n"
    assert marked("nvidia: why\n", "nvidia", "") == ""


@pytest.mark.parametrize(
    ("loaded", "version", "flavour", "pending"),
    [
        (PROPRIETARY, "550.163.01", "proprietary", False),
        (PROPRIETARY, "550.163.01", "open", True),
        (PROPRIETARY, "570.133.20", "proprietary", True),
        (OPEN, "570.133.20", "open", False),
        ("", "570.133.20", "open", False),
    ],
)
def test_another_driver_than_the_loaded_one_waits_for_a_restart(
    loaded: str, version: str, flavour: str, pending: bool, tmp_path: Path
) -> None:
    module = load("loaded_driver")
    module.MARKER = tmp_path / "lib" / "reboot-needed"
    (tmp_path / "version").write_text(loaded)
    marker = tmp_path / "lib" / "reboot-needed"
    params = {"version": version, "flavour": flavour, "loaded": str(tmp_path / "version"), "marker": str(marker)}
    predicted = run_module(module, params, check_mode=True)
    assert (predicted["changed"], predicted["pending"]) == (pending, pending) and not marker.exists()
    assert run_module(module, params)["changed"] is pending
    assert marker.exists() is pending
    assert run_module(module, params)["changed"] is False
    if pending:
        assert marker.read_text().startswith(f"nvidia: driver {version} {flavour} is installed, ")
        (tmp_path / "version").write_text("")  # restarted
        assert run_module(module, params)["changed"] is True and not marker.exists()


def test_a_driver_that_waits_for_a_restart_says_so(tmp_path: Path) -> None:
    marker = tmp_path / "reboot-needed"
    mismatch = Machine(**{"nvidia-smi": Result(18, "Failed to initialize NVML: Driver/library version mismatch\n")})
    assert "nvidia-smi" in nvidia_checks.driver({"version": "570.133.20"}, mismatch, marker)["hint"]
    marker.write_text("nvidia: driver 570.133.20 open is installed, 550.163.01 open is loaded\n")
    check = nvidia_checks.driver({"version": "570.133.20"}, mismatch, marker)
    assert check["ok"] is False and "mismatch" in check["found"]
    assert check["hint"].startswith("the machine must be restarted: nvidia: driver 570.133.20 open is installed")
