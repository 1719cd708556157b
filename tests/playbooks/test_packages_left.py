"""Packages that leave the plan: removed where the module installed them, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from tests.playbooks.test_module_runs import load, run_module


class Apt:
    """A machine with packages, of which some came for others alone; apt-get as far as the module asks it."""

    def __init__(self, manual: dict[str, set[str]], unused: set[str]) -> None:
        self.manual, self.unused = manual, unused
        self.ran: list[list[str]] = []

    @property
    def installed(self) -> set[str]:
        return set(self.manual) | {one for needs in self.manual.values() for one in needs} | self.unused

    def __call__(self, argv: list[str], timeout: float = 0.0, text: str | None = None) -> Result:
        words = [word for word in argv[1:] if not word.startswith("--")]
        if argv[0] == "dpkg-query":
            names = [word for word in words if "$" not in word] or sorted(self.installed)
            return Result(0, "".join(f"{one}\tinstalled\t12.4.1\n" for one in names if one in self.installed))
        if argv[0] == "apt-cache":
            return Result(0, "".join(f"{name} | 12.4.1 | somewhere\n" for name in words[1:]))
        if argv[0] != "apt-get" or words[:1] == ["update"]:
            return Result(0, "")
        gone = {word.rstrip("-") for word in words[1:]} if words[0] == "remove" else set()
        if words[0] == "install":
            gone = {word[:-1] for word in words[1:] if word.endswith("-")}
        new = {word.partition("=")[0]: {"lib"} for word in words[1:] if "=" in word}
        removed = {name for name in self.manual if name in gone or (words[0] == "remove" and self.manual[name] & gone)}
        left = {name: needs for name, needs in {**self.manual, **new}.items() if name not in removed}
        kept = set(left) | {one for needs in left.values() for one in needs}
        if "--auto-remove" in argv or words[0] == "autoremove":
            removed |= self.installed - kept
        if "--simulate" in argv:
            return Result(0, "".join(f"Remv {name} [12.4.1]\n" for name in sorted(removed)))
        self.ran.append(words)
        self.manual, self.unused = left, (self.unused | (self.installed - kept)) - gone
        return Result(0, "")


@pytest.fixture
def module(tmp_path: Path) -> Any:
    found = load("packages")
    found.POLICY, found.JOURNAL, found.LOCK = tmp_path / "policy", tmp_path / "updates", tmp_path / "lock"
    found.JOURNAL.mkdir()
    return found


def converge(module: Any, tmp_path: Path, wanted: list[str], *, check: bool = False) -> dict[str, Any]:
    params = {"wanted": dict.fromkeys(wanted, "12*"), "start_services": False, "record": str(tmp_path / "record" / "x")}
    answer = run_module(module, params, check_mode=check)
    assert answer["failed"] is False, answer
    return answer


def test_what_was_installed_here_goes_with_what_came_for_it_alone(module: Any, tmp_path: Path) -> None:
    module.run = apt = Apt({"editor": {"libc"}}, {"old-lib"})
    assert converge(module, tmp_path, ["toolkit"])["changed"] is True
    assert json.loads((tmp_path / "record" / "x").read_text()) == {"packages": ["toolkit"]}
    assert converge(module, tmp_path, ["toolkit"])["changed"] is False
    pending_change = converge(module, tmp_path, [], check=True)
    assert pending_change["removed"] == ["lib", "toolkit"] and apt.ran == [["install", "toolkit=12.4.1"]]
    assert converge(module, tmp_path, [])["removed"] == ["lib", "toolkit"]
    assert apt.ran[-1] == ["install", "lib-", "toolkit-"]
    assert apt.installed == {"editor", "libc", "old-lib"}, "what was unused before is none of ours"
    assert converge(module, tmp_path, [])["changed"] is False
    assert json.loads((tmp_path / "record" / "x").read_text()) == {"packages": []}


def test_what_was_there_before_stays(module: Any, tmp_path: Path) -> None:
    module.run = apt = Apt({"toolkit": {"lib"}}, set())
    assert converge(module, tmp_path, ["toolkit"])["changed"] is False
    assert converge(module, tmp_path, [])["changed"] is False
    assert apt.ran == []


def test_what_the_next_one_needs_stays(module: Any, tmp_path: Path) -> None:
    module.run = apt = Apt({}, set())
    converge(module, tmp_path, ["toolkit-1"])
    assert converge(module, tmp_path, ["toolkit-2"])["removed"] == ["toolkit-1"]
    assert apt.installed == {"toolkit-2", "lib"}


def test_what_somebody_elses_package_needs_stays_and_is_told(module: Any, tmp_path: Path) -> None:
    module.run = apt = Apt({}, set())
    converge(module, tmp_path, ["toolkit", "profiler"])
    apt.manual["simulation"] = {"toolkit"}
    answer = converge(module, tmp_path, [])
    assert answer["removed"] == ["profiler"]
    assert answer["gridmill_notes"] == ["toolkit left the plan and stays: simulation needs it"]
    assert "toolkit" in apt.installed
    del apt.manual["simulation"]
    assert "toolkit" in converge(module, tmp_path, [])["removed"], "it is still remembered"
