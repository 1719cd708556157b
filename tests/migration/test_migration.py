"""Stack files of version 1 in version 2: what they say, their comments, and every character that need not change."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gridmill.core.errors import ProblemsError, path_text
from gridmill.core.schema_version import SITE_KEY
from gridmill.core.yaml_lines import parse
from gridmill.load import load_definition
from gridmill.migration.data import migrated_document, migrated_site
from gridmill.migration.text import migrate
from gridmill.operations import cli
from tests.conftest import ROOT

SITES = ("lab", "ems1", "del1")
FILE = "Pulumi.x.yaml"

WITH_LDAP = """# of the site
config:
  gridmill:site:
    schemaVersion: 1   # of the schema
    access:
      admins: {anna: {uid: 2001}}

      # where people come from
      directory:                      # FreeIPA
        uris: [ldaps://ldap1.x.example]
        # all of it
        base: >-
          dc=x,dc=example
        # more of it
      bootstrap: {user: gridmill}
      # of the bootstrap

    scheduler:
      partitions:
        "gpu": {'of': gpu, default: true}
        odd:
          of: gpu, more   # no such group
        several: {of: [gpu, cpu]}
        none: {of: }
  gridmill:directoryBindSecret:
    secure: v1:q83v:TWVyZWx5
encryptionsalt: v1:salt
"""
MOVED = """
      bootstrap: {user: gridmill}
      # of the bootstrap
    # where people come from
    ldap:                      # FreeIPA
      uris: [ldaps://ldap1.x.example]
      # all of it
      base: >-
        dc=x,dc=example
      # more of it

    scheduler:
      partitions:
        "gpu": {'nodeGroups': [gpu], default: true}
        odd:
          nodeGroups: ["gpu, more"]   # no such group
        several: {nodeGroups: [gpu, cpu]}
        none: {nodeGroups: }
  gridmill:ldapBindSecret:
    secure: v1:q83v:TWVyZWx5
"""


def text_of(site: str) -> str:
    return (ROOT / f"Pulumi.{site}.yaml").read_text(encoding="utf-8")


def as_version_1(text: str) -> str:
    """A sample as it was written before."""
    text = text.replace("schemaVersion: 2", "schemaVersion: 1")
    text = re.sub(r"nodeGroups: \[([a-z]+)\]", r"of: \1", text)
    return text.replace("servedBy: ", "of: ").replace("measures: ", "of: ")


def comments(text: str) -> list[str]:
    return sorted(re.findall(r"(?:^|\s)#[^\r\n]*", text))


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_sample_of_version_1_becomes_the_sample(site: str, ends: str, tmp_path: Path) -> None:
    new = text_of(site).replace("\n", ends)
    old = as_version_1(new)
    assert old != new
    found = migrate(old, FILE)
    assert found.text == new
    assert {one.line for one in found.changes} == {
        number for number, (a, b) in enumerate(zip(old.splitlines(), new.splitlines(), strict=True), 1) if a != b
    }
    assert migrate(found.text, FILE).changes == ()
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    path = tmp_path / f"Pulumi.{site}.yaml"
    path.write_text(found.text, encoding="utf-8", newline="")
    assert load_definition(path).site == load_definition(ROOT / path.name).site


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_directory_moves_with_its_comments_and_its_secret_keeps_its_value(ends: str) -> None:
    found = migrate(WITH_LDAP.replace("\n", ends), FILE).text
    assert MOVED.replace("\n", ends) in found
    assert comments(found) == comments(WITH_LDAP.replace("\n", ends))


def test_a_directory_that_ends_the_file() -> None:
    cut = WITH_LDAP.partition("      bootstrap")[0]
    for text in (cut, cut.rstrip("\n")):
        found = migrate(text, FILE).text
        assert found.endswith("        dc=x,dc=example\n      # more of it\n")
        assert yaml.safe_load(found)["config"][SITE_KEY]["ldap"]["base"] == "dc=x,dc=example"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('{"gridmill:site": {schemaVersion: 1, access: {a: {}, directory: {u: [x]}, b: {}}, name: x}}',
         '{"gridmill:site": {schemaVersion: 2, access: {a: {}, b: {}}, ldap: {u: [x]}, name: x}}'),
        ('{"gridmill:site": {schemaVersion: 1, access: {a: {}, directory: {u: [x]}}}}',
         '{"gridmill:site": {schemaVersion: 2, access: {a: {}}, ldap: {u: [x]}}}'),
        ("\n  gridmill:site:\n    schemaVersion: 1\n    access: {a: {}, directory: {u: [x],\n      b: y}}  # who\n    name: x",
         "\n  gridmill:site:\n    schemaVersion: 2\n    access: {a: {}}  # who\n    ldap: {u: [x],\n      b: y}\n    name: x"),
    ],
)  # fmt: skip
def test_flow_style(old: str, new: str) -> None:
    assert migrate(f"config: {old}\n", FILE).text == f"config: {new}\n"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("config: [", ["not YAML: "]),
        ("config: {a: &x 1, b: *x}", ["alias *x"]),
        ("a: 1", ["missing"]),
        ("config: {gridmill:site: 1}", ["missing"]),
        ("config: {'gridmill:site': {name: x}}", ["missing"]),
        ("config: {'gridmill:site': {schemaVersion: 7}}", ["`7` is not known"]),
        ("config: {'gridmill:site': {schemaVersion: true}}", ["`True` is not known"]),
        ("config: {'gridmill:site': {schemaVersion: '1'}}", ["`1` is not known"]),
        ("config: {'gridmill:site': {schemaVersion: 1, access: {a: 1, directory: {}}, ldap: {}},"
         " 'gridmill:directoryBindSecret': x, 'gridmill:ldapBindSecret': y}",
         ["stands beside access.directory", "stands beside gridmill:ldapBindSecret"]),
        # nothing would be left of `access`
        ("config:\n  gridmill:site:\n    schemaVersion: 1\n    access:\n      directory: {a: 1}\n", ["cannot be rewritten"]),
        # a key that takes lines of its own
        ("config:\n  gridmill:site:\n    schemaVersion: 1\n    access:\n      ? directory\n      : {a: 1}\n      b: 1\n",
         ["cannot be rewritten"]),
    ],
)  # fmt: skip
def test_what_cannot_be_rewritten_is_refused(text: str, messages: list[str]) -> None:
    with pytest.raises(ProblemsError) as caught:
        migrate(text, FILE)
    found = caught.value.problems
    assert len(found) == len(messages)
    for message in messages:
        assert any(one.message.startswith(message) for one in found), found
    assert all(one.file == FILE for one in found)


names = st.from_regex(r"[a-z]{1,6}", fullmatch=True)
groups = st.one_of(
    names, st.sampled_from(["a, b", "x: y", "#", "- a", "'", "[a]", "yes", "1"]), st.lists(names, min_size=1)
)
others = st.dictionaries(names, st.one_of(names, st.integers(), st.none(), st.lists(names)), max_size=3)


def holders(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(
        names, st.builds(lambda rest, of: {**rest, "of": of}, others, values), min_size=1, max_size=3
    )


sites = st.fixed_dictionaries(
    {"schemaVersion": st.just(1), "name": names},
    optional={
        "access": st.builds(
            lambda rest, ldap: {"admins": rest, "directory": ldap, "bootstrap": {"user": "x"}}, others, others
        ),
        "scheduler": st.builds(lambda one: {"partitions": one}, holders(groups)),
        "storage": st.builds(lambda one, rest: {"servers": rest, "volumes": one}, holders(names), others),
        "power": st.builds(lambda one: {"meters": one}, holders(names)),
        "pods": others,
    },
)


@given(site=sites, flow=st.sampled_from([True, False, None]), indent=st.sampled_from([2, 4, 8]), comment=st.booleans())
def test_any_definition_means_the_same_and_keeps_its_comments(
    site: dict[str, Any], flow: bool | None, indent: int, comment: bool
) -> None:
    """Whatever wrote it: as PyYAML does, in flow or block style, with comments in between or behind."""
    text = yaml.safe_dump(
        {"config": {SITE_KEY: site}}, default_flow_style=flow, indent=indent, width=60, sort_keys=False
    )
    if comment and not flow:
        lines = text.splitlines()
        text = "\n".join(
            f"{' ' * (len(line) - len(line.lstrip()))}# {number}\n{line}" for number, line in enumerate(lines)
        )
        try:
            parse(text, FILE)
        except ProblemsError:  # PyYAML had folded a text over these lines
            return
    try:
        found = migrate(text, FILE)
    except ProblemsError as error:
        assert "cannot be rewritten" in str(error), error
        assert "\n    ? " in text
        return
    assert parse(found.text, FILE).data == migrated_document(parse(text, FILE).data)
    assert comments(found.text) == comments(text)
    assert migrate(found.text, FILE).changes == ()


def test_as_data_nothing_of_the_original_changes() -> None:
    site = yaml.safe_load(WITH_LDAP)["config"][SITE_KEY]
    before = json.dumps(site)
    assert list(migrated_site(site)) == ["schemaVersion", "access", "scheduler", "ldap"]
    assert json.dumps(site) == before


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    (tmp_path / "inventories").symlink_to(ROOT / "inventories")
    path = tmp_path / "Pulumi.lab.yaml"
    path.write_text(as_version_1(text_of("lab")), encoding="utf-8")
    path.chmod(0o640)
    return path


def test_validate_says_one_thing_of_a_file_of_version_1(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack.write_text(stack.read_text(encoding="utf-8").replace("24 kW", "24 KW"), encoding="utf-8")
    assert run(capsys, "validate", str(stack)) == (1, "", (
        "1 problem in the stack definition\n"
        "Pulumi.lab.yaml:5: schemaVersion: this is schemaVersion 1, and this Gridmill reads 2\n"
        "    expected: schemaVersion 2\n"
        "    fix: `gridmill migrate Pulumi.lab.yaml` rewrites it in place, with its comments\n"
    ))  # fmt: skip


def test_check_writes_nothing_and_migrating_twice_is_migrating_once(
    stack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = stack.read_bytes()
    status, out, _ = run(capsys, "migrate", str(stack), "--check")
    assert (status, stack.read_bytes()) == (1, before)
    assert "  line 39: scheduler.partitions.gpu.of -> scheduler.partitions.gpu.nodeGroups\n" in out
    status, out, _ = run(capsys, "migrate", str(stack), "--json")
    told = json.loads(out)
    assert (status, told["ok"], told["written"], told["schemaVersion"], len(told["changes"])) == (0, True, True, 2, 7)
    assert stack.read_text(encoding="utf-8") == text_of("lab")
    assert stack.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in stack.parent.iterdir() if path.name.startswith(".")] == []
    assert run(capsys, "migrate", str(stack), "--check")[0] == 0
    assert run(capsys, "migrate", str(stack))[:2] == (0, "Pulumi.lab.yaml: schemaVersion 2 already, nothing to do\n")
    assert run(capsys, "validate", str(stack))[0] == 0


def test_a_link_stays_a_link_and_a_bad_file_stays_as_it_is(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = stack.with_name("Pulumi.link.yaml")
    link.symlink_to(stack.name)
    assert run(capsys, "migrate", str(link))[0] == 0
    assert link.is_symlink() and stack.read_text(encoding="utf-8") == text_of("lab")
    stack.write_bytes(b"\xff")
    status, out, _ = run(capsys, "migrate", str(stack), "--json")
    assert (status, json.loads(out)["problems"][0]["message"]) == (1, "cannot be read: not UTF-8")
    assert stack.read_bytes() == b"\xff"


def test_the_secret_s_old_name_is_a_problem_beside_the_others(stack: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = text_of("lab").replace("24 kW", "24 KW")
    stack.write_text(
        text.replace("encryptionsalt", "  gridmill:directoryBindSecret:\n    secure: v1:x\nencryptionsalt")
    )
    status, out, _ = run(capsys, "validate", str(stack), "--json")
    problems = json.loads(out)["problems"]
    assert status == 1
    assert [(one["path"], one["message"], one["line"]) for one in problems] == [
        ("pods.pod-a.budget", "24 KW is not a quantity", 48),
        ("config.gridmill:directoryBindSecret", "this secret is now called ldapBindSecret", 55),
    ]
    assert "gridmill migrate Pulumi.lab.yaml" in problems[1]["hint"]
    assert run(capsys, "migrate", str(stack))[0] == 0
    assert "  gridmill:ldapBindSecret:\n    secure: v1:x\n" in stack.read_text(encoding="utf-8")


def test_a_key_of_version_1_in_a_file_of_version_2_is_told_its_name(stack: Path) -> None:
    text = (
        text_of("lab")
        .replace("servedBy: ", "of: ")
        .replace("measures: ", "of: ")
        .replace("nodeGroups: [gpu]", "of: gpu")
    )
    stack.write_text(text.replace("      bootstrap:\n", "      directory: {}\n      bootstrap:\n"), encoding="utf-8")
    with pytest.raises(ProblemsError) as caught:
        load_definition(stack)
    hints = {path_text(one.path): one.hint for one in caught.value.problems if one.message == "unknown key"}
    assert hints == {
        **{f"power.meters.{name}.of": "since schemaVersion 2 it is `measures`" for name in ("main", "pdu-a", "pdu-b")},
        "scheduler.partitions.gpu.of": "since schemaVersion 2 it is `nodeGroups: [...]`",
        **{f"storage.volumes.{name}.of": "since schemaVersion 2 it is `servedBy`" for name in ("home", "scratch")},
        "access.directory": "since schemaVersion 2 it is `ldap:` beside `access:`",
    }
