"""The directory in documents: everybody knows its users, login nodes let them in, homes are made once."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from gridmill.documents import documents
from gridmill.features.ldap_client.plan import LdapPlan
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import build_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT
from tests.features.storage.test_storage_documents import checks, variable

DIRECTORY = {
    "uris": ["ldaps://ldap1.ems1.example", "ldaps://ldap2.ems1.example"],
    "base": "ou=people,dc=ems1,dc=example",
    "bindDn": "cn=reader,dc=ems1,dc=example",
    "schema": "rfc2307bis",
    "loginGroups": ["people"],
    "users": {"carl": {"uid": 3101}, "berta": {"uid": 3100}},
}
CONTROLLER, GPU, STORE = "pod-a-r1-u40", "pod-a-r1-u01", "pod-a-r1-u38"


def planned(*, storage: bool = True) -> SitePlan:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)["config"]["gridmill:site"]
    data["ldap"] = copy.deepcopy(DIRECTORY)
    if not storage:
        del data["storage"]
    return plan_site(build_definition(data, ROOT))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return documents(planned())


def test_every_machine_asks_and_none_asks_for_its_own_people(found: dict[str, Any]) -> None:
    for phase in ("control", "pod-a"):
        values = found[phase]["vars"]
        assert values["ldap_client_uris"] == DIRECTORY["uris"]
        assert values["ldap_client_schema"] == "rfc2307bis"
        assert values["ldap_client_homes"] == "/shared/home"
        assert {"root", "gridmill", "anna", "gridmill-accept"} <= set(values["ldap_client_local_users"])
        assert {"gridmill-admins", "sudo", "anna"} <= set(values["ldap_client_local_groups"])
        assert not any("secret" in name for name in values)
    assert "ldap_client_uris" not in found["storage"]["vars"], "the site's DNS is not there yet"


def test_logins_are_for_login_nodes(found: dict[str, Any]) -> None:
    assert variable(found["control"], CONTROLLER, "ldap_client_logins") is True
    assert variable(found["pod-a"], GPU, "ldap_client_logins") is None
    assert variable(found["pod-a"], STORE, "ldap_client_logins") is None


def test_homes_are_the_servers_business_or_made_on_each_machine(found: dict[str, Any]) -> None:
    people = variable(found["storage"], STORE, "storage_moosefs_people")
    assert people == [{"name": "anna", "uid": 2001}, {"name": "berta", "uid": 3100}, {"name": "carl", "uid": 3101}]
    assert variable(found["pod-a"], GPU, "ldap_client_people") is None
    alone = documents(planned(storage=False))["pod-a"]
    assert alone["vars"]["ldap_client_homes"] == "/home"
    assert variable(alone, GPU, "ldap_client_people") == people[1:]


def test_numbers_are_compared_with_the_directorys(found: dict[str, Any]) -> None:
    expected = {
        "check": "directory",
        "users": {"berta": 3100, "carl": 3101},
        "groups": ["people"],
        "own": {"anna": 2001},
    }
    assert expected in checks(found["control"], CONTROLLER)
    assert expected in checks(found["pod-a"], GPU)


def test_its_users_are_no_accounts_of_the_machines(found: dict[str, Any]) -> None:
    assert [one["name"] for one in found["pod-a"]["vars"]["base_people"]] == []


def test_a_site_without_a_directory_says_nothing_of_one() -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    plan = plan_site(build_definition(yaml.safe_load(text)["config"]["gridmill:site"], ROOT))
    assert plan.get(LdapPlan) is None and "ldap_client_uris" not in str(documents(plan))
