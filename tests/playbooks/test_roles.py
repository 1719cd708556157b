"""Every role keeps the rules: its interface is written down, and it knows nothing of other hosts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridmill.operations.places import PLAYBOOKS
from gridmill.operations.playbooks import ROLES as PLACE

ROLES = sorted(path.name for path in PLACE.iterdir() if path.is_dir())
YAML_FILES = sorted(PLAYBOOKS.rglob("*.yml"))
OURS = "gridmill.site."
FORBIDDEN = re.compile(
    r"ignore_errors|delegate_to|run_once|hostvars|local_action|ansible\.builtin\.shell|StrictHostKey"
)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def options_of(role: str) -> dict[str, Any]:
    specs: dict[str, Any] = load(PLACE / role / "meta" / "argument_specs.yml")["argument_specs"]
    assert list(specs) == ["main"]
    options: dict[str, Any] = specs["main"]["options"]
    return options


def every_task(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With modules of the collection by their plain names."""
    tasks = [{key.removeprefix(OURS): value for key, value in task.items()} for task in tasks]
    inner = [every_task(task[key]) for task in tasks for key in ("block", "rescue", "always") if key in task]
    return [*tasks, *(task for block in inner for task in block)]


def test_there_are_roles() -> None:
    assert {"base", "nvidia", "slurm_compute", "slurm_controller", "verify"} <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_interface_and_defaults_agree(role: str) -> None:
    defaults = load(PLACE / role / "defaults" / "main.yml")
    options = options_of(role)
    assert sorted(defaults) == sorted(options)
    for name, option in options.items():
        assert name.startswith(f"{role}_"), name
        assert option["type"] and option["description"], name
        if not option.get("required"):
            assert option["default"] == defaults[name], name


@pytest.mark.parametrize("role", ROLES)
def test_readme_names_every_variable(role: str) -> None:
    text = (PLACE / role / "README.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {role}\n")
    assert "never" in text or "changes nothing" in text
    for name in options_of(role):
        assert f"`{name}`" in text, name


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(PLAYBOOKS)))
def test_no_host_knows_of_another_and_no_error_is_ignored(path: Path) -> None:
    assert not FORBIDDEN.findall(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted(PLACE.glob("*/tasks/*.yml")), ids=lambda path: path.parts[-3])
def test_task_files_are_short_and_their_results_internal(path: Path) -> None:
    role = path.parts[-3]
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 120
    for task in every_task(load(path)):
        assert str(task.get("register", f"__{role}_")).startswith(f"__{role}_"), task["name"]


def test_no_change_waits_for_a_handler() -> None:
    """A handler is lost with the run that should have called it; systemd_unit sees what is open in any later run."""
    assert not list(PLACE.glob("*/handlers"))
    for path in YAML_FILES:
        assert not re.search(r"^\s*notify:", path.read_text(encoding="utf-8"), re.MULTILINE), path


@pytest.mark.parametrize("path", sorted(PLACE.glob("*/tasks/*.yml")), ids=lambda path: path.parts[-3])
def test_what_a_unit_reads_is_written_before_it_is_applied_and_started(path: Path) -> None:
    tasks = every_task(load(path))
    for number, task in enumerate(tasks):
        unit = task.get("systemd_unit")
        if not unit:
            continue
        written = {str(value["dest"]) for one in tasks[:number] for value in one.values() if is_written(value)}
        keys = {one[name]["path"] for one in tasks[:number] for name in ("key_file", "slurm_keys") if name in one}
        if path.name != "main.yml":  # imported there, after the keys were made
            keys |= {
                one["slurm_keys"]["path"] for one in every_task(load(path.with_name("main.yml"))) if "slurm_keys" in one
            }
        files = set(unit.get("restart", []) + unit.get("reload", []))
        assert {file for file in files if file.startswith("/etc/")} <= written | keys, task["name"]
        writers = [one for one in tasks[:number] if paths_written(one) & files]
        for writer in writers:
            assert f"{writer['register']} is changed" in unit["pending_change"], f"{task['name']}: {writer['name']}"


def paths_written(task: dict[str, Any]) -> set[str]:
    values = [value for value in task.values() if is_written(value)]
    keys = {task[name]["path"] for name in ("key_file", "slurm_keys") if name in task}
    return {str(value["dest"]) for value in values} | keys


@pytest.mark.parametrize("path", sorted(PLACE.glob("*/tasks/*.yml")), ids=lambda path: path.parts[-3])
def test_check_mode_foresees_instead_of_skipping(path: Path) -> None:
    """A task that check mode leaves out is one that a preview says nothing about."""
    for task in every_task(load(path)):
        assert "ansible_check_mode" not in str(task.get("when", "")), task["name"]
        assert "ansible.builtin.systemd_service" not in task, f"{task['name']}: systemd_unit with `started: true`"


def is_written(value: Any) -> bool:
    return isinstance(value, dict) and "dest" in value


@pytest.mark.parametrize("path", sorted(PLACE.glob("*/tasks/*.yml")), ids=lambda path: path.parts[-3])
def test_what_others_wrote_is_kept_before_it_is_replaced(path: Path) -> None:
    """A file that is not Gridmill's by name may be somebody else's; preserve_unmanaged_file comes first, in the role's main file."""
    main = every_task(load(path.parent / "main.yml"))
    kept = {
        file for task in main if "preserve_unmanaged_file" in task for file in task["preserve_unmanaged_file"]["files"]
    }
    for task in every_task(load(path)):
        for module in ("ansible.builtin.template", "ansible.builtin.copy"):
            dest = str(task.get(module, {}).get("dest", "gridmill"))
            assert "gridmill" in dest or dest in kept, (
                f"{task['name']}: list {dest} in a preserve_unmanaged_file task before"
            )


def test_secrets_are_never_shown() -> None:
    secrets = [name for role in ROLES for name, option in options_of(role).items() if option.get("no_log") is True]
    assert set(secrets) == {
        "base_break_glass_password_hash",
        "ldap_client_bind_secret",
        "slurm_compute_auth_keys",
        "slurm_login_auth_keys",
    }
    users = [task for path in PLACE.glob("*/tasks/*.yml") for task in every_task(load(path))]
    told = [task for task in users if any(f"{{{{ {name} " in str(task) for name in secrets)]
    assert len(told) == len(secrets)
    for task in told:
        assert task["no_log"] is True and task["diff"] is False, task["name"]


def test_one_bad_host_never_blocks_its_peers() -> None:
    for path in PLAYBOOKS.glob("*.yml"):
        for play in load(path):
            if "hosts" in play:
                barrier = play["name"].startswith(("Take the nodes from Slurm", "Every machine signs with the new key"))
                assert play["gather_facts"] is False and play["any_errors_fatal"] is barrier, path.name
                assert play["strategy"] == "linear" and play["become"] is True, path.name


def test_every_phase_begins_with_the_fence() -> None:
    whole_phase = {"acceptance": "controllers", "keys": "machines"}
    whole_phase |= {"decommission_pod": "all:!controllers", "decommission_control": "controllers"}
    found = {path.stem: load(path) for path in PLAYBOOKS.glob("*.yml") if path.stem not in {"fence", "site"}}
    drain = found["decommission_pod"].pop(0)
    assert drain["hosts"] == "controllers" and drain["any_errors_fatal"] is True and OURS + "fence" in drain["tasks"][0]
    assert {plays[0]["ansible.builtin.import_playbook"] for plays in found.values()} == {"fence.yml"}
    assert {name: plays[0]["vars"]["fence_hosts"] for name, plays in found.items()} == whole_phase


def test_a_machine_with_another_name_is_left_alone() -> None:
    drain, _, stop, *_ = load(PLAYBOOKS / "decommission_pod.yml")
    assert drain["hosts"] == "controllers" and drain["any_errors_fatal"] is True
    asked, left, *rest = stop["tasks"]
    assert asked["ansible.builtin.command"] == {"argv": ["hostname"]} and asked["check_mode"] is False
    assert left["ansible.builtin.meta"] == "end_host"
    assert left["when"] == f"{asked['register']}.stdout != inventory_hostname"
    assert any("systemd_service" in key for task in rest for key in task)


def test_lint_skips_nothing() -> None:
    settings = load(PLAYBOOKS.parent / ".ansible-lint")
    assert settings["profile"] == "production" and settings["strict"] is True and settings["offline"] is True
    assert not {"skip_list", "warn_list"} & set(settings)
    assert not (PLAYBOOKS.parent / ".ansible-lint-ignore").exists()
