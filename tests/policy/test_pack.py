"""The pack as the engine sees it: its policies, and the real `pulumi preview --policy-pack` on good and bad stacks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pulumi_policy import EnforcementLevel, ResourceValidationArgs, ResourceValidationPolicy
from pulumi_policy.policy import _NotApplicableError
from pulumi_policy.proxy import unknown_checking_proxy

from gridmill.engine.environment import environment
from gridmill.engine.found import find_engine
from gridmill.registry import policies as rules
from policy.pack import SITE, policies, stack_of
from tests.conftest import ROOT
from tests.policy.cases import known_hosts

URN = "urn:pulumi:lab::gridmill::gridmill:index:Site::lab"
RUN_SECONDS = 180


def validate(root: Path, name: str, type_: str = SITE, props: Any = None) -> list[str]:
    """What one policy of the pack reports about a resource."""
    policy = next(policy for policy in policies(root) if policy.name == name)
    assert isinstance(policy, ResourceValidationPolicy)
    said: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        said.append(message)

    inputs = unknown_checking_proxy(props or {})
    policy.validate(ResourceValidationArgs(type_, inputs, URN, "lab", None, None, None), report)  # type: ignore[arg-type]
    return said


def test_every_rule_is_a_policy_of_its_level() -> None:
    found = {policy.name: policy.enforcement_level for policy in policies(ROOT)}
    assert found.pop("definition-readable") is EnforcementLevel.MANDATORY
    assert found == {policy.name: EnforcementLevel[policy.level.upper()] for policy in rules()}


def test_the_stack_stands_in_the_urn() -> None:
    assert stack_of(URN) == "lab"


def test_only_the_site_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path))
    assert validate(ROOT, "host-keys-known", "gridmill:index:Pod") == []
    (said,) = validate(ROOT, "host-keys-known")
    assert re.match("Pulumi.lab.yaml:[0-9]+: access.bootstrap.knownHostsFile: ", said)


def test_a_definition_that_cannot_be_read_does_not_pass(tmp_path: Path) -> None:
    (said,) = validate(tmp_path, "definition-readable")
    assert "cannot be read" in said
    with pytest.raises(_NotApplicableError):
        validate(tmp_path, "power-within-limits")


def test_a_composed_site_is_checked_by_its_own_definition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDMILL_STATE", str(tmp_path / "state"))
    shutil.copytree(ROOT / "inventories" / "lab" / "skus", tmp_path / "own" / "inventories" / "lab" / "skus")
    (tmp_path / "gridmill" / "lab").mkdir(parents=True)
    shutil.copy2(ROOT / "gridmill" / "lab" / "passphrase", tmp_path / "gridmill" / "lab")
    (tmp_path / "Pulumi.yaml").write_text("name: fleet\n", encoding="utf-8")
    definition = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))["config"]["gridmill:site"]
    props = {"directory": "own", "definition": json.loads(json.dumps(definition), parse_int=float)}
    assert validate(tmp_path, "definition-readable", props=props) == []
    assert validate(tmp_path, "power-within-limits", props=props) == []
    (said,) = validate(tmp_path, "host-keys-known", props=props)
    assert said.startswith("access.bootstrap.knownHostsFile: ")
    props["definition"]["network"]["domain"] = "lab"
    (said,) = validate(tmp_path, "definition-readable", props=props)
    assert said.startswith("network.domain: ")


@dataclass(frozen=True)
class Checkout:
    """A copy of the checkout with a file backend and a state directory of its own; no machine is contacted."""

    place: Path
    environment: dict[str, str]

    def pulumi(self, *arguments: str) -> tuple[int, str]:
        """Exit status, and everything that a person would have seen."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.place,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def preview(self, *more: str) -> tuple[int, str]:
        """A preview of stack lab under the pack."""
        return self.pulumi("preview", "--policy-pack", "policy", "--stack", "lab", *more)

    def know(self, text: str) -> None:
        """Make this the known_hosts file of the site."""
        path = Path(self.environment["GRIDMILL_STATE"]) / "lab" / "lab" / "known_hosts"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    directory = tmp_path_factory.mktemp("policy")
    place = directory / "checkout"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    (place / ".venv").symlink_to(ROOT / ".venv")
    (directory / "backend").mkdir()
    engine = find_engine()
    assert engine, "make setup first"
    variables = {
        **os.environ,
        **environment(engine, "lab", os.environ),
        "PULUMI_BACKEND_URL": f"file://{directory / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(ROOT / "gridmill" / "lab" / "passphrase"),
        "GRIDMILL_STATE": str(directory / "state"),
    }
    variables.pop("PULUMI_CONFIG_PASSPHRASE", None)
    made = Checkout(place, variables)
    status, text = made.pulumi("stack", "init", "lab")
    assert status == 0, text
    yield made


@pytest.mark.engine
def test_a_good_stack_passes_under_the_pack(checkout: Checkout) -> None:
    checkout.know(known_hosts())
    status, text = checkout.preview()
    assert status == 0, text
    assert "✅ gridmill@v0.1.0" in text
    assert "to create" in text


@pytest.mark.engine
def test_a_violated_rule_stops_the_preview(checkout: Checkout) -> None:
    checkout.know(known_hosts(without="pod-a-r1-u09"))
    status, text = checkout.preview()
    assert status != 0
    assert "[mandatory]  host-keys-known" in text, text
    assert "pods.pod-a.nodes.gpu: no host key of 1 of gpu: pod-a-r1-u09 (198.18.4.73) is known" in text
    assert "expected: a line for it in {state}/lab/lab/known_hosts" in text


@pytest.mark.engine
def test_an_update_without_a_preview_stops_before_anything_runs(checkout: Checkout) -> None:
    runner = checkout.place / "gridmill" / "operations" / "converge.py"
    ran = checkout.place / "ran"
    real = runner.read_text(encoding="utf-8")
    runner.write_text(f"open({str(ran)!r}, 'w').close()\nprint('{{}}')\n", encoding="utf-8")
    checkout.know("")
    status, text = checkout.pulumi("up", "--skip-preview", "--yes", "--policy-pack", "policy", "--stack", "lab")
    runner.write_text(real, encoding="utf-8")
    assert status != 0
    assert "[mandatory]  host-keys-known" in text, text
    assert not ran.exists()


@pytest.mark.engine
def test_an_organisation_sets_levels_and_numbers(checkout: Checkout) -> None:
    checkout.know(known_hosts())
    config = checkout.place / "organisation.json"
    config.write_text('{"margin-at-meter": {"enforcementLevel": "mandatory", "share": 0.9}}')
    status, text = checkout.preview("--policy-pack-config", config.name)
    assert status != 0
    assert "[mandatory]  margin-at-meter" in text, text
    assert re.search("Pulumi.lab.yaml:[0-9]+: grid.connection: .* of the connection is left", text)
    config.write_text('{"margin-at-meter": {"share": 0.9}}')
    status, text = checkout.preview("--policy-pack-config", config.name)
    assert status == 0, text
    assert "[advisory]  margin-at-meter" in text
