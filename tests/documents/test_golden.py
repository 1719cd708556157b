"""Golden sites: what a definition turns into, committed, so that every change of it is seen in review.

`make golden` writes them anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from gridmill.documents import documents
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import load_definition
from gridmill.operations.playbooks import ROLES
from gridmill.plan import plan_site
from tests.conftest import ROOT

GOLDEN = Path(__file__).parent.parent / "golden"
UPDATE = os.environ.get("GRIDMILL_UPDATE_GOLDEN") == "1"
TEMPLATES = ROLES / "slurm_controller" / "templates"


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, f"{name} changed; look at it, then `make golden`"


SITES = ["lab", "ems1", "del1"]


def plan_of(site: str) -> SitePlan:
    return plan_site(load_definition(ROOT / f"Pulumi.{site}.yaml"))


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("scope", ["storage", "control", "pod-a", "exports", "acceptance"])
def test_documents(site: str, scope: str) -> None:
    found = documents(plan_of(site))
    assert list(found) == ["storage", "control", "pod-a", "exports", "acceptance"]
    compare(f"{site}/{scope}.json", json.dumps(found[scope], indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("name", ["slurm.conf", "gres.conf", "cgroup.conf"])
def test_slurm(site: str, name: str) -> None:
    """The role's own templates, rendered without Ansible."""
    variables = documents(plan_of(site))["control"]["groups"]["controllers"]["vars"]
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - slurm.conf is no HTML
    )
    compare(
        f"{site}/{name}", environment.get_template(f"{name}.j2").render(ansible_managed="Ansible managed", **variables)
    )


def test_documents_hold_no_secret_and_no_path_of_this_machine(lab_plan: SitePlan) -> None:
    text = json.dumps(documents(lab_plan))
    assert str(ROOT) not in text
    assert str(Path.home()) not in text
    assert "PRIVATE" not in text
