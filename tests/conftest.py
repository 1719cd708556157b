"""What every part of the suite shares: the project's root, and the lab's stack as text and as a plan."""

from __future__ import annotations

import os
import re
from pathlib import Path

import hypothesis
import pytest

from gridmill.kernel.definition import Definition
from gridmill.kernel.site_plan import SitePlan
from gridmill.load import load_definition
from gridmill.plan import plan_site

# how long an example takes says more about the machine than about the code; the same examples for everyone
hypothesis.settings.register_profile("gridmill", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gridmill")

ROOT = Path(__file__).resolve().parent.parent
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")  # before anything reads Ansible's settings, which it does once


def without_power(text: str) -> str:
    """A stack definition without feeds, caps and PDUs: for tests of other things, whose sites may be any."""
    return re.sub(r"\{pdus: \{[^}]*\}\}", "{}", re.sub(r"\n    power:\n(      .*\n)+", "\n", text))


PLAIN_LAB = without_power((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def lab_definition() -> Definition:
    return load_definition(ROOT / "Pulumi.lab.yaml")


@pytest.fixture(scope="session")
def lab_plan(lab_definition: Definition) -> SitePlan:
    return plan_site(lab_definition)
