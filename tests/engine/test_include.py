"""Parts of a definition in files, with the real engine: Pulumi knows the stack file's part, and a part's change is seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.test_apply import Checkout, checkout
from tests.test_include import PEOPLE

__all__ = ["checkout"]

pytestmark = pytest.mark.engine


def changed(checkout: Checkout) -> set[str]:
    """Resources that a preview would change, by type and name."""
    done = checkout.run("pulumi", "preview", "--json", "--stack", "lab", "--non-interactive")
    assert done.returncode == 0, done.stdout + done.stderr
    steps: list[dict[str, Any]] = json.loads(done.stdout)["steps"]
    return {f"{step['op']} {step['urn'].rpartition('::')[2]}" for step in steps if step["op"] != "same"}


def test_a_change_of_an_included_file_is_a_change_of_the_site(checkout: Checkout) -> None:
    people = checkout.place / "inventories" / "lab" / "people.yaml"
    people.write_text(PEOPLE, encoding="utf-8")
    checkout.edit("Pulumi.lab.yaml", "    name: lab\n", "    name: lab\n    include: [people.yaml]\n")
    checkout.pulumi("up", "--yes", "--skip-preview")
    assert changed(checkout) == set()
    people.write_text(PEOPLE.replace("berta", "carl"), encoding="utf-8")
    found = changed(checkout)
    assert "update lab-control-converge" in found and not {one for one in found if not one.startswith("update ")}
