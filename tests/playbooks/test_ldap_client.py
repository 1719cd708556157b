"""Users from a directory: what sssd says, its configuration, and how it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks.ldap import directory
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import MISSING, Result

from gridmill.operations.playbooks import ROLES
from tests.playbooks.test_module_runs import Machine, load, run_module
from tests.playbooks.test_templates import VARIABLES, render

ROLE = ROLES / "ldap_client"
GROUPS = "getent -s sss group people"
USERS = "getent -s sss passwd ben anna 2001"
WANTED = {"check": "directory", "users": {"ben": 3001}, "groups": ["people"], "own": {"anna": 2001}}
BEN = "ben:*:3001:3001:Ben:/shared/home/ben:/bin/bash\n"
PEOPLE = "people:*:4001:ben\n"


def told(users: Result, groups: Result) -> tuple[bool, str]:
    check = directory(WANTED, Machine(**{GROUPS: groups, USERS: users}))
    return check["ok"], check["found"]


def test_planned_users_and_groups_are_known() -> None:
    assert told(Result(2, BEN), Result(0, PEOPLE)) == (True, "1 users, groups people")


@pytest.mark.parametrize(
    ("users", "groups", "found"),
    [
        ("", PEOPLE, "no user ben"),
        (BEN, "", "no group people"),
        (BEN.replace("3001:3001", "3009:3001"), PEOPLE, "ben has uid 3009, planned 3001"),
        (BEN + "anna:*:5000:5000::/x:/bin/sh\n", PEOPLE, "anna is in the directory too"),
        (BEN + "eve:*:2001:2001::/x:/bin/sh\n", PEOPLE, "uid 2001 of anna is that of eve in the directory"),
        ("", "", "no group people, no user ben"),
    ],
)
def test_what_the_directory_lacks_or_has_too_much(users: str, groups: str, found: str) -> None:
    assert told(Result(2, users), Result(2, groups)) == (False, found)


def test_no_answer_is_no_pass() -> None:
    missing = Result(MISSING, "", "getent: not found")
    assert not told(missing, missing)[0]
    assert not told(Result(2, BEN), Result(1, "", "Unknown database"))[0]
    assert not told(Result(3, BEN), Result(0, PEOPLE))[0]


def test_the_certificate_is_checked_always_and_the_machines_own_are_never_asked_for() -> None:
    text = render(ROLE / "templates" / "sssd.conf.j2", VARIABLES)
    assert "ldap_tls_reqcert = demand\n" in text
    assert "ldap_tls_cacert = /etc/sssd/gridmill-directory.pem\n" in text
    assert "filter_users = anna, root\n" in text
    assert "ldap_default_authtok = s3cret\n" in text
    assert "min_id = 2000\n" in text
    assert "simple_allow_groups = people, guests\n" in text
    closed = render(
        ROLE / "templates" / "sssd.conf.j2", {**VARIABLES, "ldap_client_logins": False, "ldap_client_ca": ""}
    )
    assert "access_provider = deny\n" in closed and "simple_allow_groups" not in closed
    assert "ldap_tls_cacert = /etc/ssl/certs/ca-certificates.crt\n" in closed
    assert "ldap_tls_reqcert = demand\n" in closed


def test_keys_in_homes_do_not_count_for_users_of_the_directory() -> None:
    text = render(ROLE / "templates" / "sshd.conf.j2", VARIABLES)
    assert "Match Group people,guests\n" in text and "AuthorizedKeysFile none\n" in text


@pytest.fixture
def left(tmp_path: Path) -> tuple[Any, Machine, dict[str, Any]]:
    module, machine = load("ldap_removed"), Machine()
    module.run = machine
    (tmp_path / "gridmill.pem").touch()
    files = [str(tmp_path / "gridmill.pem"), str(tmp_path / "gridmill.conf")]
    return module, machine, {"configuration": str(tmp_path / "sssd.conf"), "files": files}


def test_what_was_ours_is_ended(left: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = left
    Path(params["configuration"]).write_text("# Written by Gridmill. X\n", encoding="utf-8")
    assert run_module(module, params, check_mode=True)["changed"] is True
    assert machine.ran == [] and Path(params["configuration"]).exists()
    assert run_module(module, params)["changed"] is True
    assert machine.ran == ["systemctl disable --now sssd", "systemctl reload ssh"]
    assert not Path(params["configuration"]).exists() and not Path(params["files"][0]).exists()
    assert run_module(module, params)["changed"] is False


def test_an_end_that_fails_is_tried_again(left: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = left
    Path(params["configuration"]).write_text("# Written by Gridmill. X\n", encoding="utf-8")
    machine.answers = {"systemctl disable": Result(1, "", "no")}
    assert run_module(module, params)["failed"] is True
    machine.answers = {}
    assert run_module(module, params)["changed"] is True


def test_somebody_elses_sssd_is_left_alone(left: tuple[Any, Machine, dict[str, Any]]) -> None:
    module, machine, params = left
    Path(params["configuration"]).write_text("[sssd]\n", encoding="utf-8")
    assert run_module(module, params)["changed"] is False
    assert machine.ran == []
