"""An accounting database of others is not taken unasked, and nothing in it is touched."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.gridmill.site.plugins.module_utils.system.commands import Result

from tests.playbooks.test_module_runs import load, run_module

PARAMS = {"database": "slurm_acct_db", "user": "slurm", "adopt": False}
OURS = "slurm_acct_db\nunix_socket\n30\n1\n"
OTHERS = "slurm_acct_db\nmysql_native_password\n30\n1\n"


@pytest.fixture
def database() -> Any:
    module = load("mariadb_socket_database")
    module.said = []
    return module


def answer(module: Any, found: str) -> None:
    def run(argv: list[str], text: str) -> Result:
        module.said.append(text)
        return Result(0, found if text.startswith("SELECT") else "")

    module.run = run


def test_a_bare_server_gets_database_user_and_rights(database: Any) -> None:
    answer(database, "0\n0\n")
    answer_ = run_module(database, PARAMS)
    assert [statement.split()[0] for statement in answer_["statements"]] == ["CREATE", "CREATE", "GRANT"]
    assert answer_["gridmill_notes"] == []


def test_ours_is_left_as_it_is(database: Any) -> None:
    answer(database, OURS)
    assert run_module(database, PARAMS)["changed"] is False and len(database.said) == 1


def test_one_of_others_is_refused_by_name(database: Any) -> None:
    answer(database, OTHERS)
    refused = run_module(database, PARAMS)
    assert refused["failed"] is True and "slurm_acct_db was here before, with 30 tables" in refused["msg"]
    assert "`adopt: [accounting]`" in refused["msg"] and len(database.said) == 1
    previewed = run_module(database, PARAMS, check_mode=True)
    assert previewed["changed"] is False and "would fail" in previewed["gridmill_notes"][0]
    answer(database, "slurm_acct_db\n30\n0\n")
    assert run_module(database, PARAMS)["failed"] is True, "its user may have another name"


def test_with_consent_its_data_stays_and_the_way_in_changes(database: Any) -> None:
    answer(database, OTHERS)
    taken = run_module(database, {**PARAMS, "adopt": True})
    assert [statement.split()[:3] for statement in taken["statements"]] == [
        ["CREATE", "OR", "REPLACE"],
        ["GRANT", "ALL", "PRIVILEGES"],
    ]
    assert taken["gridmill_notes"] == ["database slurm_acct_db was here before, with 30 tables"]


def test_an_empty_database_is_nobodys_data(database: Any) -> None:
    answer(database, "slurm_acct_db\n0\n0\n")
    assert run_module(database, PARAMS)["failed"] is False
