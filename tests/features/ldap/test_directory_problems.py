"""Bad directories, each with its exact problem; what a good one allows."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from gridmill.core.errors import Problem, path_text
from gridmill.features.ldap.problems import certificates
from gridmill.features.ldap.section import Ldap
from gridmill.kernel.definition import Definition
from gridmill.load import build_definition, load_definition
from tests.conftest import ROOT
from tests.core.test_problems import LAB, Case, changed, check_case, problems_of

BODY = base64.encodebytes(b"no certificate of anybody, but the right shape").decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{BODY}-----END CERTIFICATE-----\n"
BEFORE = "    software:\n"
AT = "ldap"


def lines(text: str) -> str:
    return f"    ldap: {{{text}}}\n{BEFORE}"


GOOD = "uris: ['ldaps://ldap1.ems1.example'], base: 'dc=ems1,dc=example', loginGroups: [people]"

CASES = [
    Case("no TLS", BEFORE, lines(GOOD.replace("ldaps", "ldap")), f"{AT}.uris[0]",
         "`ldap://ldap1.ems1.example` is not valid", "", "ldap:"),
    Case("an address, which no certificate names", BEFORE, lines(GOOD.replace("ldap1.ems1.example", "localhost")),
         f"{AT}.uris[0]", "`ldaps://localhost` is not valid", "", "ldap:"),
    Case("a base that sssd would read on", BEFORE, lines(GOOD.replace("dc=ems1,dc=example", "dc=x\\nldap_uri = y")),
         f"{AT}.base", "`dc=x\\nldap_uri = y` is not valid", "", "ldap:"),
    Case("no server", BEFORE, lines(GOOD.replace("['ldaps://ldap1.ems1.example']", "[]")), f"{AT}.uris",
         "`a list` is not valid", "", "ldap:"),
    Case("nobody may log in", BEFORE, lines(GOOD.replace("[people]", "[]")), f"{AT}.loginGroups",
         "`a list` is not valid", "", "ldap:"),
    Case("the password in the stack", BEFORE, lines(f"{GOOD}, bindSecret: hunter2"), f"{AT}.bindSecret", "unknown key",
         "remove it; `pulumi config set --secret NAME`, which puts it beside the site object", "ldap:"),
    Case("unknown schema", BEFORE, lines(f"{GOOD}, schema: ad"), f"{AT}.schema", "`ad` is not valid", "", "ldap:"),
    Case("certificates that are missing", BEFORE, lines(f"{GOOD}, caFile: directory.pem"), f"{AT}.caFile",
         "inventories/lab/keys/directory.pem does not exist", "put it there; whoever runs the directory has it",
         "ldap:"),
    Case("certificates elsewhere", BEFORE, lines(f"{GOOD}, caFile: ../x.pem"), f"{AT}.caFile", "`../x.pem` is not valid",
         "", "ldap:"),
    Case("an admin from the directory", BEFORE, lines(f"{GOOD}, users: {{anna: {{uid: 3001}}}}"), f"{AT}.users.anna",
         "anna stands under access.admins too", "keep one of them", "ldap:"),
    Case("root from the directory", BEFORE, lines(f"{GOOD}, users: {{root: {{uid: 3001}}}}"), f"{AT}.users.root",
         "root is a system login", "another name", "ldap:"),
    Case("a number that is taken", BEFORE, lines(f"{GOOD}, users: {{ben: {{uid: 2001}}}}"), f"{AT}.users.ben.uid",
         "user ID 2001 is also that of anna", "another uid", "ldap:"),
    Case("a number of the system", BEFORE, lines(f"{GOOD}, users: {{ben: {{uid: 0}}}}"), f"{AT}.users.ben.uid",
         "`0` is not valid", "", "ldap:"),
    Case("a group that the stack has too", BEFORE,
         lines(GOOD), f"{AT}.loginGroups[0]",
         "people stands under access.groups too", "a group of the directory by another name", "ldap:",
         also=(("      bootstrap:\n", "      groups: {people: {gid: 4000}}\n      bootstrap:\n"),)),
    Case("an account of somebody whom the stack does not take", BEFORE, lines(GOOD),
         "scheduler.accounts.research.users[1]", "unknown user ben",
         "add the person under access.users or access.admins", "research:", also=(("users: [anna]", "users: [anna, ben]"),)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_directory_names_its_problem(case: Case, tmp_path: Path) -> None:
    check_case(case, tmp_path)


def with_file(tmp_path: Path, text: str) -> tuple[Problem, ...]:
    keys = tmp_path / "inventories" / "lab" / "keys"
    keys.mkdir(parents=True)
    (keys / "directory.pem").write_text(text, encoding="utf-8")
    return problems_of(changed(BEFORE, lines(f"{GOOD}, caFile: directory.pem")), tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nothing", "inventories/lab/keys/directory.pem holds no certificate"),
        (PEM.replace(BODY, "####\n"), "inventories/lab/keys/directory.pem holds no certificate"),
        (PEM.replace("CERTIFICATE", "PRIVATE KEY"), "inventories/lab/keys/directory.pem holds a private key"),
    ],
)
def test_a_file_that_holds_something_else(text: str, message: str, tmp_path: Path) -> None:
    assert [(path_text(one.path), one.message) for one in with_file(tmp_path, text)] == [(f"{AT}.caFile", message)]


def test_only_certificates_are_taken_from_a_file() -> None:
    assert certificates(f"Subject: someone\n{PEM}and more\n{PEM}") == PEM + PEM
    assert certificates(PEM.replace("-----END CERTIFICATE-----", "")) == ""


def test_users_of_the_directory_may_charge_accounts_and_have_quotas(tmp_path: Path) -> None:
    text = changed(BEFORE, lines(f"{GOOD}, users: {{ben: {{uid: 3001}}}}"))
    text = text.replace("users: [anna]", "users: [anna, ben]").replace("anna: 100 MB", "anna: 100 MB, ben: 10 MB")
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    path = tmp_path / "Pulumi.lab.yaml"
    path.write_text(text, encoding="utf-8")
    definition = load_definition(path)
    assert isinstance(definition, Definition) and definition.site.get(Ldap)
    assert build_definition(definition.data, tmp_path).site == definition.site
    assert "ldap" not in LAB
