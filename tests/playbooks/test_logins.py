"""Who gets in over SSH: what sshd makes of all files counts, and whoever undoes it is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks.logins import sshd
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result

from tests.playbooks.test_module_runs import Machine

GOOD = """port 22
usepam yes
passwordauthentication no
kbdinteractiveauthentication no
hostbasedauthentication no
permitemptypasswords no
permitrootlogin without-password
denygroups gridmill-users
"""


def told(text: str, directory: Path, *, users: bool = False) -> tuple[bool, str, str]:
    check = sshd({"users": users}, Machine(**{"/usr/sbin/sshd -T": Result(0, text)}), directory)
    return check["ok"], check["found"], check["hint"]


def test_keys_only_is_well(tmp_path: Path) -> None:
    assert told(GOOD, tmp_path) == (True, "keys only, and no users", "")
    assert told(GOOD.replace("denygroups gridmill-users\n", ""), tmp_path, users=True)[0]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("passwordauthentication no", "passwordauthentication yes", "passwordauthentication yes"),
        ("permitrootlogin without-password", "permitrootlogin yes", "permitrootlogin yes"),
        ("usepam yes", "usepam no", "usepam no"),
        ("denygroups gridmill-users", "denygroups guests", "denygroups without gridmill-users"),
        ("permitemptypasswords no\n", "", "permitemptypasswords unset"),
    ],
)
def test_what_lets_others_in_is_named(old: str, new: str, found: str, tmp_path: Path) -> None:
    assert old in GOOD
    assert told(GOOD.replace(old, new), tmp_path)[:2] == (False, found)


def test_several_lines_of_denied_groups_count_together(tmp_path: Path) -> None:
    assert told(GOOD.replace("denygroups", "denygroups guests\ndenygroups"), tmp_path)[0]


def test_the_file_that_says_otherwise_is_named(tmp_path: Path) -> None:
    (tmp_path / "05-site.conf").write_text("# ours\n  PasswordAuthentication yes\n")
    (tmp_path / "07-other.conf").write_text("#PasswordAuthentication yes\n")
    (tmp_path / "10-gridmill.conf").write_text("PasswordAuthentication no\n")
    _, _, hint = told(GOOD.replace("passwordauthentication no", "passwordauthentication yes"), tmp_path)
    assert hint == f"sshd takes the first word on each: see 05-site.conf in {tmp_path}"


def test_without_sshd_it_fails(tmp_path: Path) -> None:
    refusing = Machine(**{"/usr/sbin/sshd": Result(MISSING, "", "/usr/sbin/sshd is not installed")})
    assert sshd({}, refusing, tmp_path)["ok"] is False
