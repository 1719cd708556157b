"""A stack file that Pulumi itself rewrites, and its encrypted secrets, through `gridmill migrate`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.engine.checkout import checkout_at
from tests.migration.test_migration import as_version_1

pytestmark = pytest.mark.engine

DIRECTORY = """
      # who comes from there
      directory:
        uris: [ldaps://ldap1.lab.example]
        base: dc=lab
        bindDn: cn=reader,dc=lab
        loginGroups: [people]
"""


def test_a_file_as_pulumi_writes_it_and_its_secret(tmp_path: Path) -> None:
    place, environment = checkout_at(tmp_path)
    stack = place / "Pulumi.lab.yaml"
    old = as_version_1(stack.read_text(encoding="utf-8")).replace(
        "\n      bootstrap:\n", f"{DIRECTORY}      bootstrap:\n"
    )
    stack.write_text(old, encoding="utf-8")

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    pulumi = ("pulumi", "--non-interactive", "--stack", "lab")
    run(*pulumi, "stack", "init", "--secrets-provider", "passphrase")
    run(*pulumi, "config", "set", "--secret", "directoryBindSecret", "canary-7731")
    run(*pulumi, "config", "set", "gridmill:other", "value")
    before = stack.read_text(encoding="utf-8")
    assert "gridmill:directoryBindSecret:" in before
    said = run(".venv/bin/python", "-m", "gridmill.operations.cli", "migrate", "lab")
    assert "access.directory -> ldap" in said and "canary" not in said
    after = stack.read_text(encoding="utf-8")
    assert "# who comes from there" in after and after.count("#") == before.count("#")
    assert run(*pulumi, "config", "get", "ldapBindSecret").strip() == "canary-7731"
    run(".venv/bin/python", "-m", "gridmill.operations.cli", "validate", "lab")
    said = run(".venv/bin/python", "-m", "gridmill.operations.cli", "migrate", "lab")
    assert "nothing to do" in said
    run(*pulumi, "preview")
