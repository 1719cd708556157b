"""Every role keeps the rules: its interface is written down, and it knows nothing of other hosts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
ROLES = sorted(path.name for path in (PLAYBOOKS / "roles").iterdir() if path.is_dir())
YAML_FILES = sorted(PLAYBOOKS.rglob("*.yml"))
FORBIDDEN = re.compile(
    r"ignore_errors|delegate_to|run_once|hostvars|local_action|ansible\.builtin\.shell|StrictHostKey"
)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options_of(role: str) -> dict[str, Any]:
    specs: dict[str, Any] = load(PLAYBOOKS / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert list(specs) == ["main"]
    options: dict[str, Any] = specs["main"]["options"]
    return options


def every_task(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    inner = [every_task(task[key]) for task in tasks for key in ("block", "rescue", "always") if key in task]
    return [*tasks, *(task for block in inner for task in block)]


def test_there_are_roles() -> None:
    assert {"base", "nvidia", "slurm_compute", "slurm_controller", "verify"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_interface_and_defaults_agree(role: str) -> None:
    defaults = load(PLAYBOOKS / "roles" / role / "defaults" / "main.yml")
    options = options_of(role)
    assert sorted(defaults) == sorted(options)
    for name, option in options.items():
        assert name.startswith(f"{role}_"), name
        assert option["type"] and option["description"], name
        if not option.get("required"):
            assert option["default"] == defaults[name], name


@pytest.mark.parametrize("role", ROLES)
def test_readme_names_every_variable(role: str) -> None:
    text = (PLAYBOOKS / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {role}\n")
    assert "never" in text or "changes nothing" in text
    for name in options_of(role):
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_no_host_knows_of_another_and_no_error_is_ignored(path: Path) -> None:
    assert not FORBIDDEN.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("roles/*/tasks/*.yml")), ids=lambda path: path.parts[-3])
def test_task_files_are_short_and_their_results_internal(path: Path) -> None:
    role = path.parts[-3]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 120
    for task in every_task(load(path)):
        assert str(task.get("register", f"__{role}_")).startswith(f"__{role}_"), task["name"]


def test_handlers_carry_their_role() -> None:
    for path in PLAYBOOKS.rglob("roles/*/handlers/main.yml"):
        for handler in load(path):
            assert handler["name"].startswith(f"{path.parts[-3].capitalize()} | "), handler["name"]


def test_secrets_are_never_shown() -> None:
    secrets = [name for role in ROLES for name, option in options_of(role).items() if option.get("no_log") is True]
    assert set(secrets) == {"base_break_glass_password_hash", "slurm_compute_auth_key"}
    users = [task for path in PLAYBOOKS.rglob("roles/*/tasks/*.yml") for task in every_task(load(path))]
    told = [task for task in users if any(f"{{{{ {name} }}}}" in str(task) for name in secrets)]
    assert len(told) == len(secrets)
    for task in told:
        assert task["no_log"] is True and task["diff"] is False, task["name"]


def test_one_bad_host_never_blocks_its_peers() -> None:
    for path in PLAYBOOKS.glob("*.yml"):
        for play in load(path):
            if "hosts" in play:
                assert play["gather_facts"] is False and play["any_errors_fatal"] is False, path.name
                assert play["strategy"] == "linear" and play["become"] is True, path.name


def test_lint_skips_nothing() -> None:
    settings = load(PLAYBOOKS.parent / ".ansible-lint")
    assert settings["profile"] == "production" and settings["strict"] is True and settings["offline"] is True
    assert not {"skip_list", "warn_list"} & set(settings)
    assert not (PLAYBOOKS.parent / ".ansible-lint-ignore").exists()
