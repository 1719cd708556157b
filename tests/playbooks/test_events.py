"""What the callback tells of a change that check mode foresees: names, never contents, and nothing of what is secret."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from gridmill.operations.playbooks import SITE

PATH = SITE / "plugins" / "callback" / "gridmill_events.py"


def plugin() -> Any:
    spec = importlib.util.spec_from_file_location("gridmill_events", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(action: str, found: dict[str, Any], *, no_log: bool = False, check: bool = True, **args: Any) -> Any:
    task = SimpleNamespace(action=action, no_log=no_log, check_mode=check, args=args)
    return SimpleNamespace(_task=task, _result={"changed": True, **found})


PACKAGES = {
    "diff": {"prepared": "+age 1.2\n~nvidia-smi 550 -> 560\n-old\n~/etc/apt/preferences.d/x\n+hold nvidia-smi\n"}
}
TEMPLATE = {
    "diff": [{"before_header": "/etc/x", "before": "secret", "after_header": "/home/anna/x.j2", "after": "new"}]
}


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (result("packages", PACKAGES),
         ["package age 1.2", "package nvidia-smi 550 -> 560", "package old removed", "file /etc/apt/preferences.d/x",
          "hold nvidia-smi"]),
        (result("ansible.builtin.template", {"dest": "/etc/x"}, dest="/etc/x"), ["file /etc/x"]),
        (result("ansible.builtin.template", TEMPLATE, dest="/etc/x"), ["file /etc/x"]),
        (result("ansible.builtin.file", {"results": [{"changed": True, "path": "/a"}, {"changed": False, "path": "/b"}]}),
         ["file /a"]),
        (result("systemd_unit", {"diff": {"prepared": "+restart slurmd\n"}}), ["unit restart slurmd"]),
        (result("slurm_configuration", {"diff": [{"after_header": "/etc/slurm/slurm.conf", "after": "x"},
                                                 {"prepared": "+drain n1\n"}]}),
         ["file /etc/slurm/slurm.conf", "drain n1"]),
        (result("key_file", {"diff": {"prepared": "+canary\n"}, "path": "/etc/slurm/slurm.jwks"}, no_log=True), []),
        (result("packages", PACKAGES, check=False), []),
    ],
)  # fmt: skip
def test_what_would_change(one: Any, lines: list[str]) -> None:
    assert plugin()._what(one) == lines


def test_contents_are_never_told() -> None:
    lines = plugin()._what(result("ansible.builtin.template", TEMPLATE, dest="/etc/x"))
    assert not any("secret" in line or "new" in line for line in lines)


def test_very_many_are_counted() -> None:
    text = "".join(f"+user u{number}\n" for number in range(1000))
    lines = plugin()._what(result("accounts", {"diff": {"prepared": text}}))
    assert len(lines) == 201 and lines[-1] == "and 800 more"
