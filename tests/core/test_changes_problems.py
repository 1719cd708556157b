"""How changes are made, written badly: each with its exact problem, and what would fix it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gridmill.core.errors import ProblemsError, path_text
from gridmill.load import build_definition, load_definition
from gridmill.plan import plan_site
from tests.conftest import ROOT


def with_changes(written: str, directory: Path) -> Path:
    lab = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    file = directory / "Pulumi.changes.yaml"
    text = lab.replace("    scheduler:\n", f"    changes: {{{written}}}\n    scheduler:\n")
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("written", "path", "message", "hint"),
    [
        ("preview: {limit: 120}", "changes.preview.limit", "120 is not a quantity", "write the unit: 120 s"),
        ("preview: {limit: 2 minutes}", "changes.preview.limit", "2 minutes is not a quantity", ""),
        ("preview: {limit: 0 s}", "changes.preview.limit", "0 s is not a quantity",
         "a positive amount, whole in its base unit"),
        ("preview: {planValid: 7}", "changes.preview.planValid", "7 is not a quantity", "write the unit: 7 s"),
        ("preview: {machines: maybe}", "changes.preview.machines", "`maybe` is not valid", ""),
        ("largestLoss: 25", "changes.largestLoss", "25 is not a quantity", "write the unit: 25 %"),
        ("largestLoss: 101 %", "changes.largestLoss", "101 % is not a quantity", ""),
        ("consent: {everything: why not}", "changes.consent.everything", "as a key, `everything` is not valid", ""),
        ("consent: {volume scratch: ''}", "changes.consent.volume scratch", "`` is not valid", ""),
        ("drift: repair", "changes.drift", "`repair` is not valid", ""),
        ("previews: {}", "changes.previews", "unknown key", "did you mean `preview`?"),
    ],
)  # fmt: skip
def test_bad_changes_name_their_problem(written: str, path: str, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_definition(with_changes(written, tmp_path))
    found = [problem for problem in caught.value.problems if path_text(problem.path).startswith("changes")]
    assert [(path_text(problem.path), problem.message, problem.hint) for problem in found] == [(path, message, hint)]


def test_units() -> None:
    text = (ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8")
    data = yaml.safe_load(text)["config"]["gridmill:site"]
    data["changes"] = {"preview": {"limit": "5 min", "machines": False}}
    plan = plan_site(build_definition(data, ROOT))
    assert (plan.changes.asks_machines, plan.changes.preview_limit_s) == (False, 300)
    assert (plan.changes.checks_drift, plan.changes.plan_valid_s) == (False, 604_800)
    assert (plan.changes.largest_loss_percent, plan.changes.consent) == (25, {})
