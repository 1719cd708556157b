"""What tasks manage is collected from what they do; no module that a role uses is forgotten."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.gridmill.site.plugins.module_utils.drift import observer, watched

from gridmill.operations.places import PLAYBOOKS
from gridmill.operations.playbooks import ROLES, SITE

KEYWORDS = {
    "name", "when", "register", "loop", "loop_control", "no_log", "diff", "vars", "block", "check_mode", "changed_when",
    "become", "tags", "notify",
}  # fmt: skip


def tasks(found: Any) -> Iterator[dict[str, Any]]:
    for task in found or []:
        if "block" in task:
            yield from tasks(task["block"])
        else:
            yield task


def modules() -> set[str]:
    """Modules that roles use in tasks, and what comes before every phase."""
    names: set[str] = set()
    for path in ROLES.glob("*/tasks/*.yml"):
        for task in tasks(yaml.safe_load(path.read_text(encoding="utf-8"))):
            (name,) = set(task) - KEYWORDS
            names.add(watched.plain(name))
    for play in yaml.safe_load((PLAYBOOKS / "fence.yml").read_text(encoding="utf-8")):
        names |= {watched.plain(name) for task in play["tasks"] for name in set(task) - KEYWORDS}
    return names


def test_every_module_that_roles_use_is_watched_or_has_a_reason_why_not() -> None:
    used = modules()
    assert {"template", "packages", "systemd_unit", "accounts", "verify"} <= used
    described = set(watched.COLLECTORS) | watched.SELF_CHECKING | set(watched.NOTHING_TO_WATCH) | set(watched.NEVER)
    assert used - described == set()
    for reason in (*watched.NOTHING_TO_WATCH.values(), *watched.NEVER.values()):
        assert len(reason) > 5


def test_a_module_that_nobody_described_prevents_the_seal() -> None:
    (item,) = watched.watched("ansible.builtin.lineinfile", {"path": "/etc/x"}, {})
    assert item == {"kind": "never", "name": "lineinfile", "why": "nobody described it"}
    (item,) = watched.watched("systemd_unit", {}, {})
    assert item["kind"] == "never", "arguments that are not as they should be"


def test_modules_that_check_themselves_compare_in_check_mode_and_have_no_secret_arguments() -> None:
    """They take their arguments from AnsibleModule alone, and say that they have a check mode."""
    paths = {path.stem: path for path in SITE.glob("plugins/modules/*.py")}
    for name in (*watched.SELF_CHECKING, "slurm_keys", "slurm_configuration"):
        text = paths[name].read_text(encoding="utf-8")
        assert "supports_check_mode=True" in text, name
        assert '"no_log": True' not in text, name
        imported = {
            node.module for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and node.module
        }
        ansible = {one for one in imported if one.startswith("ansible")}
        assert all(
            one.startswith(("ansible.module_utils.basic", "ansible_collections.gridmill.site.plugins.module_utils"))
            for one in ansible
        )


ITEMS: list[tuple[str, dict[str, Any], dict[str, Any], list[dict[str, Any]]]] = [
    (
        "ansible.builtin.template",
        {"dest": "/etc/hosts", "mode": "0644"},
        {"checksum": "abc", "dest": "/etc/hosts"},
        [{"kind": "file", "name": "/etc/hosts", "sha1": "abc"}],
    ),
    ("ansible.builtin.copy", {"dest": "/a"}, {"path": "/a/b"}, [{"kind": "file", "name": "/a/b"}]),
    ("ansible.builtin.file", {"path": "/etc/localtime", "state": "link"}, {"dest": "/etc/localtime"},
     [{"kind": "file", "name": "/etc/localtime"}]),
    ("ansible.builtin.file", {"path": "gone"}, {}, [{"kind": "never", "name": "file", "why": "its path is not known"}]),
    ("ansible.builtin.blockinfile", {"path": "/etc/pam.d/sshd"}, {"checksum": "no use"},
     [{"kind": "file", "name": "/etc/pam.d/sshd"}]),
    (
        "packages",
        {"wanted": {"age": "1.2*", "sudo": ""}, "absent": ["x"], "held": ["age"], "preferences_file": "/p"},
        {},
        [
            {"kind": "dpkg", "name": "packages"},
            {"kind": "package", "name": "age", "pattern": "1.2*", "held": True, "absent": False},
            {"kind": "package", "name": "sudo", "pattern": "", "held": False, "absent": False},
            {"kind": "package", "name": "x", "pattern": "", "held": False, "absent": True},
            {"kind": "file", "name": "/p"},
        ],
    ),
    (
        "systemd_unit",
        {"unit": "ssh", "restart": [], "reload": ["/etc/x"], "started": False, "pending_change": True},
        {},
        [{"kind": "unit", "name": "ssh", "started": False, "restart": [], "reload": ["/etc/x"]}],
    ),
    ("key_file", {"path": "/k", "owner": "slurm", "content": "canary"}, {}, [{"kind": "file", "name": "/k"}]),
    ("ansible.builtin.command", {"argv": ["x"], "creates": "/done"}, {}, [{"kind": "exists", "name": "/done"}]),
    ("ansible.builtin.command", {"argv": ["x"]}, {},
     [{"kind": "never", "name": "command", "why": watched.NEVER["command"]}]),
    ("ansible.builtin.user", {"name": "root", "password": "canary"}, {}, [{"kind": "password", "name": "root"}]),
    ("verify", {"checks": []}, {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("module", "arguments", "result", "items"), ITEMS)
def test_items_by_module(
    module: str, arguments: dict[str, Any], result: dict[str, Any], items: list[dict[str, Any]]
) -> None:
    found = watched.watched(module, arguments, result)
    assert found == items
    assert "canary" not in json.dumps(found)


def test_a_call_is_an_item_and_foresees_nothing() -> None:
    (item,) = watched.watched("gpu_power_limit", {"watts": 500, "pending_change": True}, {})
    assert item["arguments"] == {"watts": 500, "pending_change": False} and item["module"] == "gpu_power_limit"
    (other,) = watched.watched("gpu_power_limit", {"watts": 400, "pending_change": True}, {})
    assert other["name"] != item["name"]
    (hidden,) = watched.watched("accounts", {"admins": watched.HIDDEN}, {})
    assert hidden["kind"] == "never"


def test_slurms_files_and_what_is_loaded_are_watched() -> None:
    arguments = {"files": {"slurm.conf": "text"}, "directory": "/etc/slurm"}
    found = watched.joined(watched.watched("slurm_configuration", arguments, {}))
    assert {"file /etc/slurm/slurm.conf", "file /etc/slurm/.reconfigure-pending", "slurm loaded configuration"} < set(
        found
    )
    again = watched.watched("slurm_configuration", {**arguments, "reread": True}, {})
    assert watched.joined(again) == found, "an order to read it anew is no state"
    (call,) = [item for item in again if item["kind"] == "module"]
    assert call["arguments"]["reread"] is False, (
        "the drift check calls the module with every argument, without defaults"
    )


def test_what_several_tasks_say_of_a_unit_adds_up_and_else_the_last_word_counts() -> None:
    first = {"kind": "unit", "name": "slurmdbd", "started": True, "restart": ["/a"], "reload": []}
    second = {"kind": "unit", "name": "slurmdbd", "started": False, "restart": ["/b"], "reload": ["/c"]}
    file = {"kind": "file", "name": "/a", "sha1": "old"}
    found = watched.joined([first, file, second, {"kind": "file", "name": "/a"}])
    assert found["unit slurmdbd"] == {**second, "started": True, "restart": ["/a", "/b"]}
    assert found["file /a"] == {"kind": "file", "name": "/a"}


def test_every_kind_can_be_looked_at() -> None:
    text = Path(observer.__file__).read_text(encoding="utf-8")
    for kind in ("file", "exists", "password", "package", "dpkg", "unit", "module", "slurm", "never"):
        assert f'"{kind}": self._' in text
