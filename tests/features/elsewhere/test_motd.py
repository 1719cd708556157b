"""A feature from elsewhere, beside the stack: the one in examples/, walked like Gridmill's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # comes with ansible-lint
import pytest
from ansible_collections.gridmill.site.plugins.module_utils.checks.verification import verify

from gridmill.core.errors import ProblemsError
from gridmill.documents import documents
from gridmill.load import load_definition
from gridmill.operations import digests, roles
from gridmill.operations.preview.impact import declared, impact_of
from gridmill.operations.run.plays import plays_of
from gridmill.plan import plan_site
from gridmill.registry import features
from gridmill.schema import site_schema
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "features" / "motd"
MOTD = "    motd: {text: Maintenance on Friday}\n"
Stack = Callable[[str], Path]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A project with the feature beside the lab's stack; given lines, a stack file with them."""
    shutil.copytree(EXAMPLE, tmp_path / "features" / "motd")
    shutil.copytree(ROOT / "inventories" / "lab" / "skus", tmp_path / "inventories" / "lab" / "skus")
    shutil.copyfile(ROOT / "Pulumi.yaml", tmp_path / "Pulumi.yaml")
    monkeypatch.chdir(tmp_path)
    for function in (digests._role_digest, declared):
        function.cache_clear()

    def write(more: str) -> Path:
        text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
        path = tmp_path / "Pulumi.lab.yaml"
        path.write_text(text.replace("    scheduler:\n", more + "    scheduler:\n"), encoding="utf-8")
        return path

    return write


def test_its_section_is_typed_and_judged_like_any_other(stack: Stack) -> None:
    with pytest.raises(ProblemsError) as raised:
        load_definition(stack("    motd: {text: 1, tekst: x}\n"))
    told = str(raised.value)
    assert "motd.tekst: unknown key" in told and "motd.text" in told
    with pytest.raises(ProblemsError, match="79 characters are too many for a line"):
        load_definition(stack(f"    motd: {{text: {'x' * 79}}}\n"))


def test_without_the_folder_its_keys_are_unknown(stack: Stack, tmp_path: Path) -> None:
    path = stack(MOTD)
    shutil.move(tmp_path / "features", tmp_path / "away")
    features_of = features.__globals__["_features"]
    features_of.cache_clear()
    with pytest.raises(ProblemsError, match="motd: unknown key"):
        load_definition(path)
    features_of.cache_clear()


def test_editors_know_its_keys(stack: Stack, tmp_path: Path) -> None:
    stack(MOTD)
    schema = site_schema(features(tmp_path))
    site = schema["properties"]["config"]["properties"]["gridmill:site"]
    assert "motd" in site["properties"]
    jsonschema.Draft202012Validator.check_schema(schema)


def test_its_role_runs_where_it_is_placed_by_its_own_name(stack: Stack) -> None:
    found = documents(plan_site(load_definition(stack(MOTD))))
    for scope in ("control", "pod-a"):
        document = found[scope]
        (role,) = [one for one in document["roles"] if one["role"] == "motd"]
        assert role["feature"] == "motd" and document["vars"]["motd_text"] == "Maintenance on Friday"
        assert {"role": "motd"} in [one for play in plays_of(document["roles"]) for one in play.get("roles", ())]
        checks = [group["vars"]["verify_checks"] for name, group in document["groups"].items() if "class_" in name]
        assert all(
            {"check": "file", "path": "/etc/motd.d/50-site", "contains": "Maintenance on Friday"} in one
            for one in checks
        )
    assert str(ROOT) not in str(found), "no path of a machine stands in a document"


def test_the_runner_finds_its_role_its_digest_and_its_impact(stack: Stack, tmp_path: Path) -> None:
    document = documents(plan_site(load_definition(stack(MOTD))))["pod-a"]
    assert roles.role_paths(document) == [tmp_path / "features" / "motd" / "roles"]
    before = digests.phase_digests(document)["role_motd"]
    (tmp_path / "features/motd/roles/motd/tasks/main.yml").write_text("---\n", encoding="utf-8")
    digests._role_digest.cache_clear()
    assert digests.phase_digests(document)["role_motd"] != before
    assert impact_of("motd", "Write the message", [], "motd").impact == "live"


def test_a_stack_without_its_keys_has_the_message_removed(stack: Stack) -> None:
    document = documents(plan_site(load_definition(stack(""))))["pod-a"]
    assert document["vars"]["motd_text"] == "" and "motd" in [one["role"] for one in document["roles"]]


@pytest.mark.parametrize(
    ("text", "mode", "ok"),
    [("Maintenance on Friday\n", 0o644, True), ("other\n", 0o644, False), ("Maintenance on Friday\n", 0o666, False)],
)
def test_its_check_can_fail(tmp_path: Path, text: str, mode: int, ok: bool) -> None:
    path = tmp_path / "motd"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    wanted: list[dict[str, Any]] = [{"check": "file", "path": str(path), "contains": "Maintenance on Friday"}]
    found = verify(wanted, lambda _: None)[0]  # type: ignore[arg-type, return-value]  # it runs nothing
    assert found["ok"] is (ok and path.stat().st_uid == 0)
    path.unlink()
    assert not verify(wanted, lambda _: None)[0]["ok"]  # type: ignore[arg-type, return-value]


def test_a_feature_that_cannot_be_loaded_is_said(stack: Stack, tmp_path: Path) -> None:
    stack("")
    bad = tmp_path / "features" / "bad"
    bad.mkdir()
    (bad / "feature.py").write_text("from nowhere import x\n", encoding="utf-8")
    features.__globals__["_features"].cache_clear()
    with pytest.raises(ProblemsError, match=r"bad/feature\.py cannot be loaded: ModuleNotFoundError"):
        features(tmp_path)
    (bad / "feature.py").write_text("FEATURE = 1\n", encoding="utf-8")
    with pytest.raises(ProblemsError, match="FEATURE"):
        features(tmp_path)
    shutil.rmtree(bad)
